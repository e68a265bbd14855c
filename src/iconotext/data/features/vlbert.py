"""VL-BERT's features: JSON files with arrays in base64, in zip files or in folders.

The source is a zip file, a folder of JSON files, or an annotation: JSON lines in a file named ``.json``, whose
``frcnn`` names a file as ``val_frcnn.zip@/00000003.json``. Where there is no such zip the same file is looked for in a
folder, as the published reader does (pretrain/data/datasets/conceptual_captions.py): ".zip@" goes, and so do ".0" ".1"
".2" ".3". An image is called by its file's name, for ``image_id`` inside has lost its zeros. Regions are in stored
order; the published reader sorts them by class probability.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from iconotext.core.errors import DataError
from iconotext.data.features.fields import record_of
from iconotext.data.features.lines import Lines
from iconotext.data.features.record import Listed, Reading, Record, Source
from iconotext.data.npy import LARGEST, read_file


def recognises(path: Path) -> bool:
    """Whether it is a zip with JSON files, a folder of JSON files, or an annotation that names such files."""
    if path.is_dir():
        return next(path.glob("*.json"), None) is not None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".json") for name in archive.namelist())
    if path.suffix != ".json":
        return False
    with path.open("rb") as file:
        return b'"frcnn"' in file.readline(1 << 20)


def open_source(path: Path, reading: Reading) -> Source:
    """The JSON files of a zip or a folder in order of their names, or those that an annotation names.

    Raises:
        DataError: there are none, or the zip is cut short.
    """
    if path.is_file() and path.suffix == ".json":
        return _annotated(path, reading.root or path.parent)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.json"))
        if not files:
            raise DataError(f"{path} holds no JSON files")
        return Listed(
            "folder", files, lambda file: _record(read_file(file), file.name, str(file)), called=lambda f: f.stem
        )
    archive = _open_zip(path)
    names = sorted(name for name in archive.namelist() if name.endswith(".json"))

    def load(name: str) -> Record:
        return _record(_member(archive, name), name, f"{path}, member {name!r}")

    return Listed("zip", names, load, archive.close, called=lambda name: PurePosixPath(name).stem)


def _annotated(annotation: Path, root: Path) -> Source:
    archives: Callable[[Path], zipfile.ZipFile] = lru_cache(maxsize=8)(_open_zip)

    def parse(line: bytes) -> Record:
        try:
            named = json.loads(line)["frcnn"]
            archive, _, member = named.rpartition("@/")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"the line names no file of features in 'frcnn' ({error!r})") from error
        if archive and (root / archive).is_file():
            return _record(_member(archives(_inside(root, archive)), member), member, f"{root / archive}, {member!r}")
        plain = named.replace(".zip@", "")
        for part in (".0", ".1", ".2", ".3"):
            plain = plain.replace(part, "")
        file = _inside(root, plain)
        if not file.is_file():
            raise DataError(f"there is neither {root / (archive or named)} nor {file}")
        return _record(read_file(file), file.name, str(file))

    return Lines("annotation", [annotation], parse)


def _inside(root: Path, name: str) -> Path:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise DataError(f"{name!r} leads out of {root}")
    return path


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be opened as a zip file: is it missing or cut? ({error})") from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        if archive.getinfo(name).file_size > LARGEST:
            raise DataError(f"{archive.filename}, member {name!r}: more than {LARGEST >> 20} MiB in one record")
        return archive.read(name)
    except KeyError:
        raise DataError(f"{archive.filename} has no member {name!r}") from None
    except DataError:
        raise
    except Exception as error:  # A damaged member may raise anything.
        raise DataError(f"{archive.filename}, member {name!r} cannot be read ({error})") from error


def _record(data: bytes, name: str, where: str) -> Record:
    try:
        fields: Any = json.loads(data)
        if not isinstance(fields, dict):
            raise DataError("no JSON object")
        return record_of(fields, PurePosixPath(name).stem)
    except (DataError, ValueError, RecursionError) as error:
        raise DataError(f"{where}: {error}") from error
