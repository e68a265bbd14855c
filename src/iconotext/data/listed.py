"""A published corpus as a data set: its pictures are looked for in a folder, its rows follow the pictures that were found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from iconotext.data.ingest import Rules
from iconotext.data.records import SCHEMAS, DataSetWriter
from iconotext.data.sources.item import Caption, Item, broken, files_below, is_picture
from iconotext.data.sources.published.corpus import Corpus, Row

ROWS = 65_536
"""Rows of a file."""

BOXES = ("box", "boxes")
"""The columns of boxes [x1, y1, x2, y2] in pixels."""

Scales = Mapping[str, tuple[float, float]]
"""How much of the width and the height is left of pictures that were scaled down, by id."""


def items_of(corpus: Corpus, folder: Path) -> list[Item]:
    """The corpus's pictures with their files, then its problems.

    Where none of a picture's names is found, the file is one that is not there.
    """
    places = _Places(folder)
    pictures = (
        Item(found.names[0], folder / places.find(found.names), found.image_id, found.texts, found.split)
        for found in corpus.pictures.values()
    )
    return [*pictures, *(broken(place, why) for place, why in corpus.problems)]


class _Places:
    """Where the pictures of a folder lie: by path, by name, and by name without suffix; the first in order of paths counts."""

    def __init__(self, folder: Path) -> None:
        paths = [name for name in files_below(folder) if is_picture(name)]
        self._place = {name: name for name in paths}
        for part in ("name", "stem"):
            for name in paths:
                self._place.setdefault(getattr(PurePosixPath(name), part), name)

    def find(self, names: Sequence[str]) -> str:
        """The first of some names that is there, else, with any suffix, the first of those without folders; or the first."""
        ways = [*names, *(PurePosixPath(name).stem for name in names if "/" not in name)]
        return next((self._place[way] for way in ways if way in self._place), names[0])


@dataclass(frozen=True)
class Sorted:
    """The rows whose pictures are all there, and the others with the first of their pictures that is not."""

    kept: list[Row] = field(default_factory=list)
    dropped: list[tuple[Row, str]] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Sequence[Row], there: Collection[str]) -> Sorted:
        """Rows by whether all their pictures are among ``there``."""
        found = cls()
        for row in rows:
            missing = next((image for image in row.images if image not in there), None)
            if missing is None:
                found.kept.append(row)
            else:
                found.dropped.append((row, missing))
        return found

    def report(self) -> dict[str, Any]:
        """What a report says of the rows."""
        kept, dropped = Counter(row.table for row in self.kept), Counter(row.table for row, _ in self.dropped)
        return {
            "rows": {
                table: {"kept": kept[table], "without picture": dropped[table]} for table in sorted({*kept, *dropped})
            },
            "rows_without_picture": [
                {"table": row.table, "place": row.place, "image_id": image} for row, image in self.dropped
            ],
        }


def write_rows(writer: DataSetWriter, rows: Sequence[Row], rules: Rules, scaled: Scales) -> None:
    """Write the tables, ``ROWS`` rows a file; boxes go with pictures that were scaled down."""
    for (table, split), values in _tables(rows, rules, scaled).items():
        for index, begin in enumerate(range(0, len(values), ROWS)):
            part = values[begin : begin + ROWS]
            writer.write(table, split, index, {name: [row[name] for row in part] for name in SCHEMAS[table].names})


def _tables(rows: Sequence[Row], rules: Rules, scaled: Scales) -> dict[tuple[str, str], list[dict[str, Any]]]:
    tables: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        values = {name: _unicode(value) for name, value in row.values.items()}
        if row.images and row.images[0] in scaled:
            values |= {name: _resized(values[name], scaled[row.images[0]]) for name in BOXES if name in values}
        split = row.split or rules.drawn(row.images[0] if row.images else row.values["query"])
        tables.setdefault((row.table, split), []).append({**values, **dict(_language(row, rules))})
    return tables


def _resized(boxes: Any, scale: tuple[float, float]) -> Any:
    """A box [x1, y1, x2, y2], or a list of them, in a picture that was scaled down."""
    if boxes and not isinstance(boxes[0], list):
        return [side * scale[i % 2] for i, side in enumerate(boxes)]
    return [_resized(box, scale) for box in boxes]


def _unicode(value: Any) -> Any:
    """A value with "?" for what is no Unicode, which JSON escapes may hold and no table can."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_unicode(part) for part in value] if isinstance(value, list) else value


def languages(rows: Sequence[Row], rules: Rules) -> set[str]:
    """The languages of the rows' texts."""
    return {language for row in rows for _, language in _language(row, rules)}


def _language(row: Row, rules: Rules) -> Iterator[tuple[str, str]]:
    if "language" in SCHEMAS[row.table].names:
        text = next(row.values[name] for name in ("text", "question", "query") if name in row.values)
        yield "language", rules.language_of(Caption(text, row.values.get("language", "")))
