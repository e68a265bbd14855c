"""Readers of the forms in which people have pictures with texts; each gives a list of items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.sources.coco import read_coco
from iconotext.data.sources.folder import read_folder
from iconotext.data.sources.item import Item
from iconotext.data.sources.table import Columns, read_table

__all__ = ["Columns", "Item", "read_source", "writable"]


def read_source(source: Path, table: Path | None, columns: Columns, encoding: str = "utf-8-sig") -> list[Item]:
    """The items of a source: by the table's suffix, or from ``.txt`` files beside the pictures where there is no table.

    Raises:
        DataError: the source or the table cannot be read.
    """
    if table is None:
        items = read_folder(source, encoding)
    elif not table.is_file():
        raise DataError(f"{table}: there is no such table")
    elif table.suffix.lower() == ".json":
        items = read_coco(source, table)
    else:
        items = read_table(source, table, columns, encoding)
    return [writable(item) for item in items]


def writable(item: Item) -> Item:
    """The item with "?" for what is no Unicode, which file names and JSON escapes may hold and no table can."""
    texts = tuple(replace(caption, text=_unicode(caption.text)) for caption in item.texts)
    return replace(item, name=_unicode(item.name), image_id=_unicode(item.image_id), texts=texts)


def _unicode(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
