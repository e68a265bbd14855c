"""UNITER's image features: LMDB folders of an ``img_db``, or the loose ``.npz`` files that they were made of.

A record has ``features``, ``norm_bb`` (x1 y1 x2 y2 w h, each divided by the image's side), ``conf`` and ``soft_labels``
(background first), all float16, packed by msgpack or, in folders that end in ``_compressed``, as ``.npz``. The image's
size is not stored. How many regions of an image count: a fixed number (``feat_numbb36``), a list beside the folder
(``feat_th0.2_max100_min10`` and its ``nbb_….json``), or the confident ones of all (``all``). Sources: UNITER
data/data.py ``DetectFeatLmdb``, scripts/convert_imgdir.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from iconotext.core.errors import ConfigError, DataError
from iconotext.data.features.fields import numbers, require_keys
from iconotext.data.features.lmdb_file import Database, is_lmdb, name_of
from iconotext.data.features.record import Listed, Reading, Record, Source
from iconotext.data.npy import read_npz

_FIELDS = ("features", "norm_bb", "conf", "soft_labels")
_FOLDER = re.compile(r"(all|feat_numbb(?P<number>\d+)|feat_(?P<chosen>th\S+_max\d+_min\d+))(_compressed)?$")

Count = Callable[[str, Mapping[str, Any]], int]


def _databases(path: Path) -> list[Path]:
    return (
        sorted(child for child in path.iterdir() if _FOLDER.match(child.name) and is_lmdb(child))
        if path.is_dir()
        else []
    )


def recognises(path: Path) -> bool:
    """Whether it is a folder of UNITER's databases, or one of them by its name."""
    return bool(_databases(path)) or (bool(_FOLDER.match(path.name)) and path.is_dir() and is_lmdb(path))


def recognises_npz(path: Path) -> bool:
    """Whether it is a folder of ``.npz`` files with ``norm_bb``."""
    first = next(iter(sorted(path.glob("*.npz"))), None) if path.is_dir() else None
    return first is not None and "norm_bb" in read_npz(first, str(first))


def open_source(path: Path, reading: Reading) -> Source:
    """The images of a database: the folder itself, or the one of an ``img_db`` that ``reading`` chooses or that is alone.

    Raises:
        ConfigError: there are several, and none is the one that is asked for.
        DataError: there is none, or it is damaged.
    """
    folder = path if is_lmdb(path) else _choose(path, reading)
    count = _count(folder, reading)
    database = Database(folder)

    def read(key: bytes) -> Record:
        value = database.value(key)
        try:
            return _record(name_of(key), value, count)
        except DataError as error:
            raise DataError(f"{folder}, record {name_of(key)!r}: {error}") from error

    try:
        return Listed(folder.name, database.keys(), read, database.close, called=name_of)
    except DataError:
        database.close()
        raise


def open_npz(path: Path, reading: Reading) -> Source:
    """The ``.npz`` files of a folder, each with all its regions; the file's name is the image's id, as in a database.

    Raises:
        DataError: there is none.
    """
    files = sorted(path.glob("*.npz")) if path.is_dir() else []
    if not files:
        raise DataError(f"{path} is no folder with .npz files")

    def read(file: Path) -> Record:
        try:
            return _record(file.name, read_npz(file, str(file)), lambda name, fields: len(fields["features"]))
        except DataError as error:
            raise type(error)(f"{file}: {error}") from error

    return Listed("loose_npz", files, read, called=lambda file: file.name)


def _choose(path: Path, reading: Reading) -> Path:
    """The database that UNITER would open with the same settings."""
    found = _databases(path)
    if not found:
        raise DataError(f"{path} holds none of UNITER's databases (feat_numbb36, feat_th0.2_max100_min10, all ...)")
    if len(found) == 1:
        return found[0]
    chosen = f"th{reading.threshold:g}_max{reading.max}_min{reading.min}"
    wanted = f"feat_numbb{reading.number}" if reading.number else f"feat_{chosen}"
    if not reading.number and not (path / f"nbb_{chosen}.json").is_file():
        wanted = "all"
    folder = path / (wanted + "_compressed" * reading.compressed)
    if folder not in found:
        raise ConfigError(
            f"{path} holds {', '.join(each.name for each in found)} and not {folder.name}: name one of them as the source"
        )
    return folder


def _count(folder: Path, reading: Reading) -> Count:
    """How many regions of an image count, by the folder's name."""
    kind = _FOLDER.match(folder.name)
    if kind and kind["number"]:
        return lambda name, fields: int(kind["number"])
    if kind and kind["chosen"]:
        return _listed(folder.with_name(f"nbb_{kind['chosen']}.json"))

    def confident(name: str, fields: Mapping[str, Any]) -> int:
        # In the precision of the file, as UNITER compares.
        return min(reading.max, max(reading.min, int((fields["conf"] > reading.threshold).sum())))

    return confident


def _listed(file: Path) -> Count:
    """How many regions of an image count, by a list."""
    try:
        table = {str(name): int(number) for name, number in json.loads(file.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{file}, which says how many regions an image has, cannot be read ({error})") from error

    def look_up(name: str, fields: Mapping[str, Any]) -> int:
        if name not in table:
            raise DataError(f"{file} does not say how many regions it has")
        return table[name]

    return look_up


def _record(name: str, fields: Any, count: Count) -> Record:
    if not isinstance(fields, dict):
        raise DataError(f"the record is a {type(fields).__name__}, no dictionary of arrays")
    require_keys(fields, _FIELDS)
    arrays = {field: numbers(fields[field], field) for field in _FIELDS}
    rows = len(arrays["features"])
    if arrays["norm_bb"].shape != (rows, 6) or any(len(array) != rows for array in arrays.values()):
        raise DataError(f"the shapes contradict each other: { {field: arrays[field].shape for field in _FIELDS} }")
    number = count(name, fields)
    if number < 1:
        raise DataError("it has no regions")
    kept = {field: array[:number] for field, array in arrays.items()}
    return Record(
        image_id=name,
        features=kept["features"],
        shares=np.ascontiguousarray(kept["norm_bb"][:, :4]),
        class_probs=kept["soft_labels"],
        scores=kept["conf"],
        extra={"norm_bb": kept["norm_bb"]},
    )
