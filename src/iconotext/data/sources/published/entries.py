"""Published annotation files, read strictly: a field that is missing or of another kind is an error that names its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError


@dataclass(frozen=True)
class Entry:
    """One record of a file and where it stands; a field is checked as it is taken."""

    place: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, place: str, value: object) -> Entry:
        """A value that has to be a JSON object.

        Raises:
            DataError: it is none.
        """
        if not isinstance(value, dict):
            raise DataError(f"{place}: expected an object with fields, found {_short(value)}")
        return cls(place, value)

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def wrong(self, why: str) -> DataError:
        """An error about this record."""
        return DataError(f"{self.place}: {why}")

    def text(self, name: str) -> str:
        """A string."""
        return str(self._take(name, str, "a text"))

    def integer(self, name: str) -> int:
        """A whole number."""
        return int(self._take(name, int, "a whole number"))

    def number(self, name: str) -> float:
        """A number."""
        return float(self._take(name, (int, float), "a number"))

    def flag(self, name: str) -> bool:
        """True or false."""
        return bool(self._take(name, bool, "true or false"))

    def key(self, name: str) -> str:
        """An id, which files have as a number or as a text, as a text."""
        value = self._take(name, (int, str), "an id")
        if value == "":
            raise self.wrong(f"{name!r} is empty")
        return str(value)

    def index(self, name: str, count: int) -> int:
        """A whole number from 0 to ``count`` - 1."""
        value = self.integer(name)
        if not 0 <= value < count:
            raise self.wrong(f"{name!r} is {value}, but there are {count} to choose from, counted from 0")
        return value

    def list(self, name: str) -> list[Any]:
        """A list of anything."""
        return list(self._take(name, list, "a list"))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self.list(name)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(f"{name!r} holds something that is no text: {_short(values)}")
        return tuple(values)

    def box(self, name: str) -> tuple[float, float, float, float]:
        """Four numbers x, y, width, height, of which no side is negative."""
        values = self.numbers(name)
        if len(values) != 4 or min(values[2:]) < 0:
            raise self.wrong(f"{name!r} is no box [x, y, width, height]: {_short(self.fields[name])}")
        return values[0], values[1], values[2], values[3]

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        values = self.list(name)
        if not all(_is(value, (int, float)) and abs(value) < float("inf") for value in values):
            raise self.wrong(f"{name!r} holds something that is no finite number: {_short(values)}")
        return tuple(float(value) for value in values)

    def entry(self, name: str) -> Entry:
        """A nested record."""
        return Entry.of(f"{self.place}, {name!r}", self._take(name, dict, "an object"))

    def entries(self, name: str) -> Iterator[Entry]:
        """A list of nested records."""
        for number, value in enumerate(self.list(name)):
            yield Entry.of(f"{self.place}, {name!r} {number}", value)

    def _take(self, name: str, kind: type | tuple[type, ...], wanted: str) -> Any:
        if name not in self.fields:
            raise self.wrong(f"there is no {name!r}")
        value = self.fields[name]
        if not _is(value, kind):
            raise self.wrong(f"{name!r} should be {wanted} and is {_short(value)}")
        return value


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: it cannot be read, or is no JSON, as when it was cut.
    """
    try:
        return json.loads(read_text(file))
    except ValueError as error:
        raise DataError(f"{file} is no JSON, perhaps it was cut: {error}") from error


def read_object(file: Path) -> Entry:
    """The object that a JSON file holds."""
    return Entry.of(str(file), read_json(file))


def read_list(file: Path) -> list[Entry]:
    """The records of a JSON file that is one list."""
    content = read_json(file)
    if not isinstance(content, list):
        raise DataError(f"{file}: expected a list of records, found {_short(content)}")
    return [Entry.of(f"{file} record {number}", value) for number, value in enumerate(content)]


def read_json_lines(file: Path) -> list[Entry]:
    """The records of a file with one JSON object a line; empty lines are left out.

    Raises:
        DataError: a line is no JSON object; the message gives its number.
    """
    entries = []
    for _, place, line in read_lines(file):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(f"{place} is no JSON, perhaps it was cut: {error}") from error
        entries.append(Entry.of(place, value))
    return entries


def read_lines(file: Path) -> Iterator[tuple[int, str, str]]:
    """Each line that is not empty: its number from 1 on, its place in words, and itself without its end."""
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if line.strip():
            yield number, f"{file} line {number}", line.removesuffix("\r")


def once(entries: Sequence[Entry], keys: Sequence[Any]) -> None:
    """Make sure that no two records have the same key.

    Raises:
        DataError: two have.
    """
    places: dict[Any, str] = {}
    for entry, key in zip(entries, keys, strict=True):
        before = places.setdefault(key, entry.place)
        if before != entry.place:
            raise entry.wrong(f"{key!r} is there before, at {before}")


def read_text(file: Path) -> str:
    """The content of a text file in UTF-8.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    try:
        return file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{file}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    """Whether a value is of a kind; true and false are no numbers."""
    return isinstance(value, kind) and (not isinstance(value, bool) or kind is bool)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
