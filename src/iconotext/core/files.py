"""Files that are written whole or not at all, and the JSON file by which a folder says what it holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError, MissingPiece


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: aside, to the disk, then renamed; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all, readable by a person, with the keys in the order given."""
    write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode())


def require_checkpoint(run: Path) -> None:
    """Refuse a folder that holds no model; its weights are written last, so with them it is whole.

    Raises:
        MissingPiece: it holds none; the message names the commands that make one.
    """
    if not (run / "model.safetensors").is_file():
        raise MissingPiece(
            f"{run} holds no model (model.safetensors is missing). Make one with `iconotext pretrain` or "
            "`iconotext finetune`, or run the same command again if it was stopped."
        )


def read_about(file: Path, form: str) -> dict[str, Any]:
    """What a folder says of itself in ``file``, in the format ``form``.

    Raises:
        DataError: the file is damaged, or of another format.
    """
    try:
        about = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{file} is not JSON ({error}): run the command that made {file.parent} again") from error
    found = about.get("format") if isinstance(about, dict) else None
    if found != form:
        raise DataError(f"{file}: format {found!r}, this version reads {form!r}")
    checked: dict[str, Any] = about
    return checked
