"""A table of pictures and texts: CSV, TSV, JSONL or Parquet, with a row for each text and any names of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.sources.item import Caption, Item, broken, files_below, is_picture
from iconotext.data.sources.rows import Choose, Row, read_rows

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What a split column may say, in any case."""


@dataclass(frozen=True)
class Columns:
    """Which column holds what; several text columns give several texts, "" stands for none."""

    image: str = "image"
    text: tuple[str, ...] = ("text",)
    image_id: str = ""
    split: str = ""
    language: str = ""

    def needed(self) -> list[str]:
        """The columns that the table has to have."""
        return [name for name in (self.image, *self.text, self.image_id, self.split, self.language) if name]


def read_table(source: Path, table: Path, columns: Columns, encoding: str = "utf-8-sig") -> list[Item]:
    """The pictures that a table names, in order of their first row; rows of one picture are joined.

    Paths are relative to ``source``. The id is the id column's, else the path. A cell may hold a list of texts (JSONL,
    Parquet). CSV is quoted as RFC 4180 says, TSV is not quoted. Pictures below ``source`` that no row names come last, without
    texts; so does every row that cannot be used, with its place.

    Raises:
        DataError: the table cannot be read, or lacks a column.
    """
    if not source.is_dir():
        raise DataError(f"{source} is no folder: name the folder that the paths in {table} start from")
    items: dict[tuple[str, str], Item] = {}
    problems: list[Item] = []
    for row in read_rows(table, _chosen(table, columns), encoding):
        item = broken(row.place, row.problem) if row.problem else _item(source, row, columns)
        key = (item.image_id, item.name)
        before = items.get(key)
        if item.problem:
            problems.append(item)
        elif before is None:
            items[key] = item
        elif item.split != before.split:
            problems.append(
                broken(row.place, f"split {item.split!r}, but {before.split!r} in an earlier row of {item.name}")
            )
        else:
            items[key] = replace(before, texts=before.texts + item.texts)
    named = {item.name for item in items.values()}
    unnamed = [name for name in files_below(source) if is_picture(name) and name not in named]
    return [*items.values(), *problems, *(Item(name, source / name, name) for name in unnamed)]


def _item(source: Path, row: Row, columns: Columns) -> Item:
    """One row as an item with its own texts."""
    name = _text(row.cells.get(columns.image))
    if not name:
        return broken(row.place, f"the column {columns.image!r} names no picture")
    split = ""
    if columns.split:
        said = _text(row.cells.get(columns.split))
        split = SPLITS.get(said.lower(), "")
        if not split:
            return broken(row.place, f"the split {said!r} is none of {', '.join(SPLITS)}")
    language = _text(row.cells.get(columns.language)) if columns.language else ""
    cells = (row.cells.get(column) for column in columns.text)
    texts = (text for cell in cells for text in (cell if isinstance(cell, list) else [cell]))
    captions = tuple(Caption(str(text), language) for text in texts if text is not None and str(text).strip())
    name = Path(name).as_posix()
    image_id = _text(row.cells.get(columns.image_id)) if columns.image_id else name
    if not image_id:
        return broken(row.place, f"the column {columns.image_id!r} holds no id")
    return Item(name, source / name, image_id, captions, split)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _chosen(table: Path, columns: Columns) -> Choose:
    def choose(there: Sequence[str]) -> Sequence[str]:
        missing = [name for name in columns.needed() if name not in there]
        if missing:
            raise DataError(
                f"{table} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, there))}. "
                "Name the columns with --image-column, --text-column, --id-column, --split-column, --language-column"
            )
        return columns.needed()

    return choose
