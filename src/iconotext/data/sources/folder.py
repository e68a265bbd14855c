"""A folder of pictures, each with a ``.txt`` of the same name beside it: every line that is not empty is a text."""

from __future__ import annotations

import os
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.sources.item import Caption, Item, broken, files_below, is_picture


def read_folder(source: Path, encoding: str = "utf-8-sig") -> list[Item]:
    """The pictures below ``source`` in order of their paths, which are their ids; a ``.txt`` without picture is a problem.

    Raises:
        DataError: there is no folder, or no text file beside any picture.
    """
    if not source.is_dir():
        raise DataError(f"{source} is no folder: name the folder of the pictures")
    names = list(files_below(source))
    notes = {os.path.splitext(name)[0]: name for name in names if name.lower().endswith(".txt")}
    pictures = [name for name in names if is_picture(name)]
    if not any(os.path.splitext(name)[0] in notes for name in pictures):
        raise DataError(
            f"{source}: no picture has a .txt beside it ({len(pictures)} pictures). "
            "If the texts are in a table (CSV, TSV, JSONL, Parquet, COCO JSON), name it with --table"
        )
    items, used = [], set()
    for name in pictures:
        note = notes.get(os.path.splitext(name)[0])
        used.add(note)
        try:
            lines = (source / note).read_text(encoding).splitlines() if note else []
        except (OSError, UnicodeDecodeError) as error:
            items.append(broken(name, f"{note} cannot be read: {error}"))
            continue
        texts = tuple(Caption(line) for line in lines if line.strip())
        items.append(Item(name, source / name, name, texts))
    items += [broken(note, "no picture beside it") for note in notes.values() if note not in used]
    return items
