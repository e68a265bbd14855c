"""VOLTA's features: HDF5 with a group an image, or LMDB in any of the three ways its converters write it.

A group has ``features boxes obj_id obj_conf attr_id attr_conf img_w img_h`` (VOLTA data/*/h5_to_lmdb.py). Groups come
in the order of their names' bytes.
"""

from __future__ import annotations

from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.features import lmdb_records
from iconotext.data.features.fields import record_of
from iconotext.data.features.h5 import is_h5, member, names_of, open_h5, read
from iconotext.data.features.record import Listed, Reading, Record, Source


def recognises(path: Path) -> bool:
    """Whether it is an HDF5 file whose first member is a group."""
    if not is_h5(path):
        return False
    with open_h5(path) as file:
        return next(names_of(file, "features"), None) is not None


def open_source(path: Path, reading: Reading) -> Source:
    """The groups of an HDF5 file, or the records of an LMDB environment.

    Raises:
        DataError: it is neither, or a cut one.
    """
    if path.is_dir() or lmdb_records.recognises(path):
        return lmdb_records.open_source(path, reading)
    file = open_h5(path)

    def load(name: str) -> Record:
        try:
            group = member(file, name)
            return record_of({field: read(group, field) for field in names_of(group)}, name)
        except DataError as error:
            raise DataError(f"{path}, group {name!r}: {error}") from error

    return Listed("h5_groups", list(names_of(file, "features")), load, file.close)
