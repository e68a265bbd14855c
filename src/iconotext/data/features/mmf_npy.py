"""MMF's features: a ``.npy`` file an image, below a folder, alone, with ``<id>_info.npy`` beside it, or with everything in it.

``<id>.npy`` is an array [R, F], or one dictionary with the names of 12-in-1's extractor. ``<id>_info.npy`` holds a
dictionary with boxes, sizes and class probabilities; there the background has been cut off, while the single dictionary
has it. Its ``num_boxes`` counts boxes with a score and may be smaller than the rows: all rows are read. An image is
called by its path in the folder without ``.npy``. Sources: MMF ``feature_readers.py`` and tools/scripts/features.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from iconotext.core.errors import DataError
from iconotext.data.features.fields import numbers, record_of
from iconotext.data.features.record import Listed, Reading, Record, Source
from iconotext.data.npy import read_file, read_npy

_INFO = "_info.npy"


def recognises(path: Path) -> bool:
    """Whether it is a folder with ``.npy`` files, at any depth."""
    return path.is_dir() and any(name.endswith(".npy") for _, _, files in os.walk(path) for name in files)


def open_source(path: Path, reading: Reading) -> Source:
    """The images below a folder in order of their paths.

    Raises:
        DataError: there is none, or an information without its features.
    """
    found = {os.path.relpath(os.path.join(top, name), path) for top, _, files in os.walk(path) for name in files}
    infos = {name for name in found if name.endswith(_INFO) and name.removesuffix(_INFO) + ".npy" in found}
    names = sorted(name.removesuffix(".npy") for name in found - infos if name.endswith(".npy"))
    if not names:
        raise DataError(f"{path} is no folder with .npy files")

    def load(name: str) -> Record:
        info = f"{name}{_INFO}"
        try:
            return _record(path, name, info if info in infos else None)
        except DataError as error:
            raise type(error)(f"{path}, image {name!r}: {error}") from error

    return Listed("npy", names, load)


def _record(folder: Path, name: str, info: str | None) -> Record:
    image_id = Path(name).as_posix()
    content = read_npy(read_file(folder / f"{name}.npy"), f"{name}.npy")
    if content.dtype == object:
        fields = content.reshape(-1)[0] if content.size == 1 else None
        if not isinstance(fields, dict):
            raise DataError("an array of objects that is no single dictionary")
        return record_of(fields, image_id, exact=False)
    if info is None:
        return Record(image_id, numbers(content, "features"))
    about = read_npy(read_file(folder / info), info)
    fields = about.reshape(-1)[0] if about.size == 1 else None
    if not isinstance(fields, dict):
        raise DataError(f"{info} is no dictionary")
    return record_of(fields | {"features": np.asarray(content)}, image_id, background=False, exact=False)
