"""HDF5 files opened for reading, with the errors of damaged ones in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from iconotext.core.errors import DataError
from iconotext.data.features.record import library
from iconotext.data.npy import LARGEST

DAMAGE = (OSError, RuntimeError, ValueError, KeyError, IndexError, TypeError)
"""What the library raises where a file is damaged."""
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_h5(path: Path) -> bool:
    """Whether a file begins as HDF5 does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def open_h5(path: Path) -> Any:
    """The open file.

    Raises:
        DataError: it is not there, cut short, or none.
    """
    try:
        return library("h5py").File(path, "r")
    except DAMAGE as error:
        raise DataError(f"{path} cannot be opened as HDF5: is it missing or cut? ({error})") from error


def read(holder: Any, name: str, rows: int | None = None) -> Any:
    """A data set of numbers below ``holder``, or one of its rows.

    Raises:
        DataError: it is not there, holds no numbers, or cannot be read.
    """
    where = f"{holder.file.filename}, {name!r}"
    data_set = member(holder, name)
    if not isinstance(data_set, library("h5py").Dataset):
        raise DataError(f"{where}: there is no such data set")
    if data_set.dtype.kind not in "fiu":
        raise DataError(f"{where} holds {data_set.dtype}, no numbers")
    shape = data_set.shape if rows is None else data_set.shape[1:]
    if math.prod(shape) * data_set.dtype.itemsize > LARGEST:
        raise DataError(f"{where}: more than {LARGEST >> 20} MiB in one record")
    try:
        return np.asarray(data_set[()] if rows is None else data_set[rows])
    except DAMAGE as error:
        raise DataError(f"{where} cannot be read ({error})") from error


def names_of(holder: Any, within: str | None = None) -> Iterator[str]:
    """The paths of all data sets below ``holder``, or with ``within`` of all groups that have one of this name.

    Raises:
        DataError: the file is damaged.
    """
    try:
        names = list(holder)
    except DAMAGE as error:
        raise DataError(f"{holder.file.filename} is damaged ({error})") from error
    for name in names:
        child = member(holder, name)
        is_group = isinstance(child, library("h5py").Group)
        if (within is None and not is_group) or (is_group and within and member(child, within) is not None):
            yield name
        elif is_group:
            yield from (f"{name}/{below}" for below in names_of(child, within))


def member(holder: Any, name: str) -> Any:
    """What lies under a name, None where nothing can be opened; a link out of the file is not followed."""
    h5py = library("h5py")
    try:
        link = holder.get(name, getlink=True)
        return None if link is None or isinstance(link, h5py.ExternalLink) else holder[name]
    except DAMAGE:
        return None
