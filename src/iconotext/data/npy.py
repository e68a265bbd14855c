"""NumPy's files read without running anything: ``.npy``, ``.npz``, and object arrays through the restricted unpickler."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as numpy_format
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.data import unpickle

LARGEST = 1 << 31
"""Bytes of one record that are read at most: the size that a file tells may be a lie that fills the memory."""


def read_npy(data: bytes, where: str) -> NDArray[Any]:
    """The array of a ``.npy`` file; an object array holds what ``unpickle.loads`` allows.

    Raises:
        UnsafeData: its pickle asks for code.
        DataError: it is cut short, damaged, or no such file.
    """
    stream = io.BytesIO(data)
    try:
        version = numpy_format.read_magic(stream)
        # Both take the header for a literal (ast.literal_eval) of bounded length.
        read = {(1, 0): numpy_format.read_array_header_1_0, (2, 0): numpy_format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream)
        if min(shape, default=0) < 0:
            raise ValueError(f"the shape {shape}")
    except Exception as error:  # A damaged header may raise anything.
        raise DataError(
            f"{where}: no .npy file, or a damaged header ({type(error).__name__}: {str(error)[:200]})"
        ) from error
    content = data[stream.tell() :]
    if dtype.hasobject:
        array = unpickle.loads(content, where)
        if not isinstance(array, np.ndarray) or array.shape != shape:
            raise DataError(f"{where}: the pickle holds no array of shape {shape}")
        return array
    wanted = math.prod(shape) * dtype.itemsize
    if len(content) < wanted:
        raise DataError(f"{where}: {wanted} bytes of content are promised, {len(content)} are there: the file is cut")
    flat: NDArray[Any] = np.frombuffer(content, dtype, math.prod(shape))
    return flat.reshape(shape, order="F" if fortran else "C")


def read_npz(file: Path | io.BytesIO, where: str) -> dict[str, NDArray[Any]]:
    """The arrays of a ``.npz`` file by name.

    Raises:
        UnsafeData: a pickle in it asks for code.
        DataError: it is cut short, damaged, larger than ``LARGEST``, or no such file.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise DataError(f"{where}: more than {LARGEST >> 20} MiB in one record")
            members = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    except DataError:
        raise
    except Exception as error:  # A damaged archive may raise anything.
        raise DataError(f"{where}: no .npz file, or cut short or damaged ({error})") from error
    return {name: read_npy(data, f"{where}, member {name!r}") for name, data in members.items()}


def read_file(path: Path) -> bytes:
    """All bytes of a small file.

    Raises:
        DataError: it cannot be read, or is larger than ``LARGEST``.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path}: more than {LARGEST >> 20} MiB in one record")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error})") from error
