"""What a published corpus comes down to: pictures by id, with the names that their files may have, and rows of tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError
from iconotext.data.sources.item import Caption

SPLITS = ("train", "validation", "test", "testA", "testB", "")
"""In the order in which one is chosen for a picture that several use; "" leaves it to shares."""


@dataclass(frozen=True)
class Picture:
    """A picture, and where its file may lie below the folder of pictures: the first name that is found counts.

    A name without folders is looked for at any depth, one without a suffix with any suffix.
    """

    image_id: str
    names: tuple[str, ...]
    split: str
    texts: tuple[Caption, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of a table, the pictures that it cannot do without, and where it comes from.

    A split "" leaves it to shares; a language among the values is that of the row.
    """

    table: str
    split: str
    images: tuple[str, ...]
    values: Mapping[str, Any]
    place: str


@dataclass
class Corpus:
    """Pictures and rows as they are taken up; ``classes`` are the names that numbers in a table of objects mean.

    ``problems`` are the places of what cannot be used, each with the reason.
    """

    pictures: dict[str, Picture] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    problems: list[tuple[str, str]] = field(default_factory=list)

    def picture(self, image_id: str, split: str, *names: str) -> None:
        """Take up a picture once; of several splits the first in ``SPLITS`` is its own."""
        before = self.pictures.get(image_id)
        if before is None or SPLITS.index(split) < SPLITS.index(before.split):
            self.pictures[image_id] = Picture(image_id, names, split)

    def captions(self, image_id: str, split: str, names: tuple[str, ...], texts: tuple[str, ...]) -> None:
        """Take up a picture with its texts, after those that it has already; empty ones are left out."""
        before = self.pictures.get(image_id, Picture(image_id, names, split))
        captions = tuple(Caption(text) for text in texts if text.strip())
        self.pictures[image_id] = replace(before, texts=before.texts + captions)

    def row(self, table: str, split: str, images: tuple[str, ...], place: str, **values: Any) -> None:
        """Take up a row."""
        self.rows.append(Row(table, split, images, values, place))


def split_of(file: Path) -> str:
    """The split that a file's name tells: train, else test, else val or dev.

    Raises:
        DataError: it tells none.
    """
    name = file.stem.lower()
    for word, split in (("train", "train"), ("test", "test"), ("val", "validation"), ("dev", "validation")):
        if word in name:
            return split
    raise DataError(f"{file}: the name does not tell the split; put train, val, dev or test into it")


def files(source: Path, pattern: str, what: str) -> list[Path]:
    """The files of a folder, at any depth, whose name matches a regular expression as a whole; or the one that is named.

    Raises:
        DataError: there is none.
    """
    if source.is_file():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.is_file() and re.fullmatch(pattern, path.name))
    if not found:
        raise DataError(f"{source} holds no {what}: name the folder of the annotations; files are known by their names")
    return found
