"""The cells of one row of a user's table, each checked as it is taken."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BETWEEN = "|"
"""What stands between the parts of a list in a cell of text."""

MOST = 2**31 - 1
"""The largest number that a table holds."""


class Unusable(Exception):
    """A row that cannot be used; the message says why."""


@dataclass(frozen=True)
class Cells:
    """Cells by column: texts, and in JSONL and Parquet numbers and lists as well, which are taken as they would be written."""

    values: Mapping[str, Any]

    def maybe(self, name: str) -> str:
        """A text without white space around it; "" where the cell is empty or not there."""
        return _text(name, self.values.get(name))

    def text(self, name: str) -> str:
        """A text that has to be there."""
        found = self.maybe(name)
        if not found:
            raise Unusable(f"{name!r} is empty")
        return found

    def path(self, name: str) -> str:
        """A file's name, with slashes, that a disk could hold."""
        found = Path(self.text(name)).as_posix()
        if len(found.encode()) > 4095 or any(len(part.encode()) > 255 for part in found.split("/")):
            raise Unusable(f"{name!r} is too long for a file's name: {found[:80]}...")
        return found

    def parts(self, name: str) -> list[str]:
        """The texts of a list, also of one that is written with ``BETWEEN``; none where the cell is empty or not there."""
        value = self.values.get(name)
        if not isinstance(value, list):
            value = text.split(BETWEEN) if (text := _text(name, value)) else []
        return [_text(name, part) for part in value]

    def texts(self, name: str) -> list[str]:
        """The texts of a list, less the empty ones, or a cell's only one; at least one has to be there."""
        value = self.values.get(name)
        found = [_text(name, part) for part in (value if isinstance(value, list) else [value])]
        if not any(found):
            raise Unusable(f"{name!r} is empty")
        return [text for text in found if text]

    def options(self, name: str) -> list[str]:
        """The texts of a list, of which none is empty."""
        found = self.parts(name)
        if not all(found):
            raise Unusable(f"{name!r} has an empty part: {found}")
        return found

    def whole(self, name: str) -> int | None:
        """A whole number; None where the cell is empty or not there."""
        found = self.maybe(name)
        if found and not re.fullmatch(r"[+-]?[0-9]{1,18}", found):
            raise Unusable(f"{name!r} is {found[:80]!r}, no whole number")
        if found and abs(int(found)) > MOST:
            raise Unusable(f"{name!r} is {found}, more than a table can hold")
        return int(found) if found else None

    def index(self, name: str, count: int) -> int | None:
        """Which of ``count`` things is meant, counted from 0."""
        found = self.whole(name)
        if found is not None and not 0 <= found < count:
            raise Unusable(f"{name!r} is {found}, but there are {count} to choose from, counted from 0")
        return found

    def word(self, name: str, *known: str) -> str:
        """One of some words in any case, or "" where the cell is empty or not there."""
        found = self.maybe(name).lower()
        if found and found not in known:
            raise Unusable(f"{name!r} is {found!r}, none of {', '.join(known)}")
        return found

    def box(self, name: str) -> list[float]:
        """x1, y1, x2, y2 in pixels, with room between."""
        try:
            found = [float(part) for part in self.parts(name)]
        except ValueError:
            found = []
        if (
            len(found) != 4
            or not all(abs(side) < MOST for side in found)
            or found[0] >= found[2]
            or found[1] >= found[3]
        ):
            raise Unusable(f"{name!r} is {self.values.get(name)!r}, no box x1, y1, x2, y2 with x1 < x2 and y1 < y2")
        return found


def _text(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value.strip().encode("utf-8", "replace").decode()  # JSON escapes may hold what is no Unicode.
        case bool():
            return str(value).lower()
        case float() if math.isnan(value):
            return ""
        case float() if value.is_integer():  # Where numbers of a column are missing, tables have the others as floats.
            return str(int(value))
        case int() | float():
            return str(value)
    raise Unusable(f"{name!r} is no text: {str(value)[:80]}")
