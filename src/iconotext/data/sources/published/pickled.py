"""Pickles of plain values that Python 2 wrote, read without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError
from iconotext.data.unpickle import loads


def read_pickle(file: Path) -> Any:
    """The lists, dictionaries, numbers and texts of a file; bytes of Python 2 are texts in UTF-8.

    Raises:
        UnsafeData: it asks for code to be run; nothing of it was.
        DataError: it cannot be read, is cut, or holds bytes that are no UTF-8.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    try:
        return _texts(loads(data, str(file)))
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: a text in it is not UTF-8: {error}") from error


def _texts(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list | tuple):
        return [_texts(part) for part in value]
    if isinstance(value, dict):
        return {_texts(key): _texts(part) for key, part in value.items()}
    return value
