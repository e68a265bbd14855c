"""Files of which each line is one image, gone through with only one line in memory; places are bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.features.record import Entry, Record

LONGEST = 1 << 28
"""Bytes of a line at most; a line of 100 regions with all that files of the field hold has 3 million."""


class Lines:
    """The lines of some files one after the other; a place is the number of bytes before it in all of them.

    ``parse`` makes a record of a line, without its end. A line is called by its first tab-separated field.
    """

    unit = "bytes"

    def __init__(self, layout: str, files: Sequence[Path], parse: Callable[[bytes], Record]) -> None:
        self.layout = layout
        self._files = files
        self._sizes = [file.stat().st_size for file in files]
        self.total = sum(self._sizes)
        self._parse = parse

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """The lines from a place on, which is where a line begins; empty ones are passed over."""
        before = 0
        for path, size in zip(self._files, self._sizes):
            if start < before + size:
                with path.open("rb") as file:
                    file.seek(max(start - before, 0))
                    while line := file.readline(LONGEST):
                        place = before + file.tell()
                        if line.strip():
                            yield Entry(
                                _name(line), place, partial(self._read, line, f"{path}, line before byte {place}")
                            )
            before += size

    def close(self) -> None:
        """Nothing stays open."""

    def _read(self, line: bytes, where: str) -> Record:
        try:
            if len(line) >= LONGEST:
                raise DataError(f"a line of more than {LONGEST >> 20} MiB")
            return self._parse(line.rstrip(b"\r\n"))
        except DataError as error:
            raise type(error)(f"{where} ({_name(line)}): {error}") from error


def _name(line: bytes) -> str:
    return line[:400].split(b"\t")[0].decode("utf-8", "replace").strip()[:100]
