"""Values in msgpack, LZ4 and ``.npz`` as records of databases hold them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from iconotext.core.errors import DataError
from iconotext.data.features.record import library
from iconotext.data.npy import LARGEST, read_npz
from iconotext.data.unpickle import UnsafeData


def npz(data: bytes, where: str) -> dict[str, Any]:
    """The arrays of an ``.npz`` file that is a record."""
    return dict(read_npz(io.BytesIO(data), where))


def msgpack(data: bytes, where: str) -> Any:
    """A msgpack value with arrays as the package msgpack_numpy writes them, but for those of objects, which are pickles.

    Raises:
        UnsafeData: it holds a pickle.
        DataError: it is cut short or damaged.
    """
    try:
        return library("msgpack").unpackb(data, raw=False, strict_map_key=False, object_hook=_array)
    except UnsafeData as error:
        raise UnsafeData(f"{where}: {error}") from None
    except Exception as error:  # Damaged data may raise anything.
        raise DataError(f"{where}: the record is cut short or damaged ({type(error).__name__}: {error})") from error


def lz4(data: bytes, where: str) -> bytes:
    """The content of an LZ4 frame.

    Raises:
        DataError: it is cut short or damaged, or larger than ``LARGEST``.
    """
    frame = library("lz4.frame")
    try:
        stream = frame.LZ4FrameDecompressor()
        content: bytes = stream.decompress(data, max_length=LARGEST)
    except RuntimeError as error:
        raise DataError(f"{where}: no LZ4 frame, or a damaged one ({error})") from error
    if not stream.eof:
        raise DataError(f"{where}: the LZ4 frame is cut short")
    return content


def _array(value: dict[Any, Any]) -> Any:
    """What msgpack_numpy made a dictionary of: an array, a number of NumPy's, or else the dictionary as it is."""
    plain = {key.decode("latin1") if isinstance(key, bytes) else key: part for key, part in value.items()}
    if "nd" not in plain:
        return value
    kind, descr = plain.get("kind", b""), plain["type"]
    if kind in (b"O", "O") or "O" in str(descr):
        raise UnsafeData("an array of objects, which is a pickle: nothing was run")
    if not isinstance(descr, str | bytes) or kind not in (b"", ""):
        raise ValueError("an array of fields")
    dtype = np.dtype(descr.decode("latin1") if isinstance(descr, bytes) else descr)
    if plain["nd"] is True:
        return np.frombuffer(plain["data"], dtype).reshape(plain["shape"])
    return np.frombuffer(plain["data"], dtype)[0]
