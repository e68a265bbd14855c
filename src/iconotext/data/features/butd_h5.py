"""HDF5 files of bottom-up-attention-vqa: one block of images by regions, and a pickled index from image to row.

``train36.hdf5`` with ``train36_imgid2idx.pkl`` beside it, the same for val; written by
tools/detection_features_converter.py under Python 2. The image's size is not stored, but it is the ratio of
``image_bb`` to ``spatial_features``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from iconotext.core.errors import DataError
from iconotext.data import unpickle
from iconotext.data.features.fields import numbers
from iconotext.data.features.h5 import is_h5, member, open_h5, read
from iconotext.data.features.record import Listed, Reading, Record, Source
from iconotext.data.features.sizes import ratio
from iconotext.data.npy import read_file

_BLOCKS = {"image_features": None, "image_bb": 4, "spatial_features": 6}


_INDEX = "_imgid2idx.pkl"


def _indices(path: Path) -> dict[Path, Path]:
    """Each HDF5 file of a source with its index; where only an index is there, with the file that is missing."""
    files = [path]
    if path.is_dir():
        stems = {file.name.removesuffix(_INDEX) for file in path.glob(f"*{_INDEX}")}
        there = {file for file in path.iterdir() if file.suffix in (".hdf5", ".h5")}
        files = sorted(there | {path / f"{stem}.hdf5" for stem in stems - {file.stem for file in there}})
    return {file: file.with_name(f"{file.stem}{_INDEX}") for file in files}


def recognises(path: Path) -> bool:
    """Whether there is an HDF5 file with its index beside it."""
    return any(index.is_file() for file, index in _indices(path).items() if is_h5(file))


def open_source(path: Path, reading: Reading) -> Source:
    """The images of a file, or of all files of a folder, in the order of their rows.

    Raises:
        UnsafeData: an index asks for code.
        DataError: a file or its index is missing or damaged, or of other data.
    """
    files: list[Any] = []
    places: list[tuple[int, str, int]] = []
    for file, index in _indices(path).items():
        rows = _index(index)
        files.append(open_h5(file))
        places += [(len(files) - 1, image_id, row) for image_id, row in sorted(rows.items(), key=lambda item: item[1])]
    if not files:
        raise DataError(f"{path} holds no HDF5 files")

    def load(place: tuple[int, str, int]) -> Record:
        number, image_id, row = place
        return _record(files[number], image_id, row)

    def close() -> None:
        for file in files:
            file.close()

    return Listed("butd_h5", places, load, close, called=lambda place: place[1])


def _index(path: Path) -> dict[str, int]:
    rows = unpickle.loads(read_file(path), str(path))
    if not isinstance(rows, dict) or not all(
        isinstance(row, int) and not isinstance(row, bool) for row in rows.values()
    ):
        raise DataError(f"{path} is no index from image ids to rows")
    if len(set(rows.values())) < len(rows):
        raise DataError(f"{path} points two images at one row")
    return {image_id.decode() if isinstance(image_id, bytes) else str(image_id): row for image_id, row in rows.items()}


def _record(file: Any, image_id: str, row: int) -> Record:
    blocks = {}
    for name, width in _BLOCKS.items():
        shape = getattr(member(file, name), "shape", None)
        if shape is None:
            raise DataError(f"{file.filename}: there is no data set {name!r}, or a damaged one")
        if len(shape) != 3 or (width and shape[2] != width):
            raise DataError(f"{file.filename}: {name} has the shape {shape}")
        if not 0 <= row < shape[0]:
            raise DataError(f"{file.filename}: the index points image {image_id!r} at row {row}, {name} has {shape[0]}")
        blocks[name] = numbers(read(file, name, row), name)
    boxes, spatial = blocks["image_bb"], blocks["spatial_features"]
    if len(boxes) != len(spatial):
        raise DataError(f"{file.filename}, image {image_id!r}: {len(boxes)} boxes, {len(spatial)} locations")
    size = ratio(boxes, spatial[:, :4])
    shares = None if size else np.ascontiguousarray(spatial[:, :4])
    features = blocks["image_features"]
    return Record(image_id, features, boxes, shares, size, extra={"spatial_features": spatial})
