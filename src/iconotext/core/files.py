"""Files that are written whole or not at all, and the JSON file by which a folder says what it holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError


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
