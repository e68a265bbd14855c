"""LMDB environments, read-only: a folder with ``data.mdb`` or a single file, checked before it is read."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import IO, Any

from iconotext.core.errors import DataError
from iconotext.data import unpickle
from iconotext.data.features import lmdb_child, packed
from iconotext.data.features.record import library
from iconotext.data.npy import LARGEST

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
    """The records of an environment by key, read by a process of its own: LMDB trusts its pages, and a damaged one may end it.

    Raises:
        DataError: there is none, or its file is shorter than its pages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = file = file_of(path)
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
        library("lmdb")
        self._child: subprocess.Popen[bytes] | None = None
        self._start()

    def get(self, key: bytes) -> bytes:
        """The bytes of a record.

        Raises:
            DataError: there is no such record, or the file is damaged where it lies.
        """
        value = self._find(key)
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
        """The records' keys in the order of the list that the environment holds, else in order of bytes.

        Raises:
            UnsafeData: the list asks for code.
            DataError: it is none, or the file is damaged.
        """
        for listed in _KEY_LISTS:
            found = self._find(listed)
            if found is not None:
                keys = decode(found, f"{self.path}, record {name_of(listed)!r}")
                if not isinstance(keys, list | tuple) or not all(isinstance(key, str | bytes) for key in keys):
                    raise DataError(f"{self.path}: {listed.decode()!r} is no list of keys")
                return [key.encode() if isinstance(key, str) else key for key in keys]
        self._ask(struct.pack("<i", lmdb_child.ALL), "its keys")
        return list(iter(partial(self._answer, "its keys"), None))

    def close(self) -> None:
        """End the process that reads."""
        if self._child is not None:
            with self._child as child:
                child.kill()
            self._child = None

    def _find(self, key: bytes) -> bytes | None:
        what = f"record {name_of(key)!r}"
        self._ask(struct.pack("<i", len(key)) + key, what)
        return self._answer(what)

    def _start(self) -> None:
        kind = "folder" if self.path.is_dir() else "file"
        command = [sys.executable, lmdb_child.__file__, str(self.path), kind, str(LARGEST)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            self._answer("its first pages")
        except DataError:
            self.close()
            raise

    def _ask(self, request: bytes, what: str) -> None:
        if self._child is None:  # A record before this one ended it.
            self._start()
        try:
            stream = self._stream("stdin")
            stream.write(request)
            stream.flush()
        except BrokenPipeError:
            raise self._ended(what) from None

    def _answer(self, what: str) -> bytes | None:
        """What was asked for, None where there is none, or no more of it."""
        (length,) = struct.unpack("<q", self._read(8, what))
        if length == lmdb_child.FAILED:
            (length,) = struct.unpack("<q", self._read(8, what))
            reason = self._read(length, what).decode("utf-8", "replace")
            raise DataError(f"{self._file}: this LMDB is damaged ({what}: {reason})")
        return None if length == lmdb_child.NONE else self._read(length, what)

    def _read(self, count: int, what: str) -> bytes:
        data = self._stream("stdout").read(count)
        if len(data) < count:
            raise self._ended(what)
        return data

    def _stream(self, name: str) -> IO[bytes]:
        stream: IO[bytes] = getattr(self._child, name)
        return stream

    def _ended(self, what: str) -> DataError:
        self.close()
        return DataError(f"{self._file}: this LMDB is damaged ({what}: reading it ended the process that reads it)")


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
