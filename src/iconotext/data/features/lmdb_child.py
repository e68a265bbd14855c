"""Reads an LMDB file as a program of its own: a damaged page may end it, and not the one who asks.

``lmdb_file`` starts it and asks over its standard input: the length of a key (4 bytes) and the key, or ``ALL`` for every key.
The answer is a length (8 bytes) and as many bytes; ``NONE`` in place of a length says that there is no such record or no
further key, ``FAILED`` that a reason follows. It imports nothing of Iconotext, so that it is there at once.
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

ALL, NONE, FAILED = -1, -1, -2


def serve(path: str, folder: bool, largest: int, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until nothing more is asked; the first answer says whether the file could be opened."""
    import lmdb

    def say(data: bytes | memoryview, sign: int | None = None) -> None:
        if sign is not None:
            answers.write(struct.pack("<q", sign))
        answers.write(struct.pack("<q", len(data)))
        answers.write(data)

    try:
        environment = lmdb.open(path, subdir=folder, readonly=True, lock=False, readahead=False, create=False)
        transaction = environment.begin(buffers=True)
        most = environment.stat()["entries"]
    except lmdb.Error as error:
        say(str(error).encode(), FAILED)
        answers.flush()
        return
    say(b"")
    answers.flush()
    while len(head := requests.read(4)) == 4:
        (length,) = struct.unpack("<i", head)
        try:
            if length == ALL:
                for number, key in enumerate(transaction.cursor().iternext(values=False)):
                    if number >= most:
                        raise lmdb.Error(f"it has more than the {most} records that it tells of")
                    say(key)
                answers.write(struct.pack("<q", NONE))
            elif (value := transaction.get(requests.read(length))) is None:
                answers.write(struct.pack("<q", NONE))
            elif len(value) > largest:
                raise lmdb.Error(f"a record of {len(value)} bytes")
            else:
                say(value)
        except lmdb.Error as error:
            say(str(error).encode(), FAILED)
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2] == "folder", int(sys.argv[3]), sys.stdin.buffer, sys.stdout.buffer)
