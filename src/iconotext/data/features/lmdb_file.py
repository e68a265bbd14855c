"""LMDB environments, read-only: a folder with ``data.mdb`` or a single file, checked before it is mapped."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError
from iconotext.data import unpickle
from iconotext.data.features import packed
from iconotext.data.features.record import library

_MAGIC = 0xBEEFC0DE
_KEY_LISTS = (b"keys", b"__keys__")


def file_of(path: Path) -> Path:
    """The file that holds an environment."""
    return path / "data.mdb" if path.is_dir() else path


def name_of(key: bytes) -> str:
    """A record's key as text."""
    return key.decode("utf-8", "replace")


def is_lmdb(path: Path) -> bool:
    """Whether there is an LMDB environment, by its first page."""
    return _meta(file_of(path), 0) is not None


class Database:
    """The records of an environment by key.

    Raises:
        DataError: there is none, or its file is shorter than its pages: touching a missing one would kill the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        file = file_of(path)
        first = _meta(file, 0)
        if first is None:
            raise DataError(f"{file} is no LMDB file")
        page_size, last, transaction = first
        second = _meta(file, page_size)
        if second is not None and second[2] > transaction:
            last = second[1]
        size = file.stat().st_size
        if size < (last + 1) * page_size:
            raise DataError(f"{file} is cut: it has {size} of {(last + 1) * page_size} bytes")
        lmdb = library("lmdb")
        try:
            self._environment = lmdb.open(
                str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False, create=False
            )
            self._transaction = self._environment.begin()
        except lmdb.Error as error:
            raise DataError(f"{file} cannot be opened as LMDB ({error})") from error

    def get(self, key: bytes) -> bytes:
        """The bytes of a record.

        Raises:
            DataError: there is no such record.
        """
        value: bytes | None = self._transaction.get(key)
        if value is None:
            raise DataError(f"{self.path}: there is no record {name_of(key)!r}")
        return value

    def value(self, key: bytes) -> Any:
        """A record's value, by whatever it was written: pickle, msgpack, ``.npz`` or JSON.

        Raises:
            UnsafeData: it asks for code.
            DataError: there is no such record, or it cannot be read.
        """
        return decode(self.get(key), f"{self.path}, record {name_of(key)!r}")

    def keys(self) -> list[bytes]:
        """The records' keys in the order of the list that the environment holds, else in order of bytes."""
        for listed in _KEY_LISTS:
            if self._transaction.get(listed) is not None:
                keys = self.value(listed)
                if not isinstance(keys, list | tuple) or not all(isinstance(key, str | bytes) for key in keys):
                    raise DataError(f"{self.path}: {listed.decode()!r} is no list of keys")
                return [key.encode() if isinstance(key, str) else key for key in keys]
        return list(self._transaction.cursor().iternext(values=False))

    def close(self) -> None:
        """Unmap the file."""
        self._environment.close()


def decode(data: bytes, where: str) -> Any:
    """The value of a record; its first bytes tell how it was written.

    Raises:
        UnsafeData: it asks for code.
        DataError: it cannot be read.
    """
    if data[:2] == b"PK":
        return packed.npz(data, where)
    if data[:1] in (b"[", b"{"):
        try:
            return json.loads(data)
        except ValueError as error:
            raise DataError(f"{where}: no JSON ({error})") from error
    if data[:1] > b"\x80":  # A pickle of protocol 2 and later begins with 0x80, an older one with a letter.
        return packed.msgpack(data, where)
    return unpickle.loads(data, where)


def _meta(file: Path, page: int) -> tuple[int, int, int] | None:
    """Page size, last page and transaction as a meta page tells them (struct MDB_meta of lmdb's mdb.c, 64 bit)."""
    try:
        with file.open("rb") as stream:
            stream.seek(page)
            head = stream.read(152)
    except OSError:
        return None
    if len(head) < 152 or struct.unpack_from("<II", head, 16) != (_MAGIC, 1):
        return None
    (page_size,) = struct.unpack_from("<I", head, 40)
    last, transaction = struct.unpack_from("<QQ", head, 136)
    return (page_size, last, transaction) if 512 <= page_size <= 65536 else None
