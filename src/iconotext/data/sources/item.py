"""What every reader of a source gives: one picture file with its texts, or why there is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# fmt: off
PICTURES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif",
    ".jp2", ".j2k",
})
# fmt: on
"""Suffixes, in lower case, by which a file of a folder counts as a picture; what it is its content tells."""


@dataclass(frozen=True)
class Caption:
    """A text as the source has it, and its language where the source names one."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Item:
    """One picture of a source with all its texts.

    ``name`` is what the source calls it, for the report; ``split`` is "" where the source has none; ``problem`` says why the
    source itself makes no use of it possible (a row that cannot be read), "" where it does.
    """

    name: str
    file: Path
    image_id: str
    texts: tuple[Caption, ...] = ()
    split: str = ""
    problem: str = ""


def broken(name: str, problem: str) -> Item:
    """An entry of the source that names no usable picture."""
    return Item(name, Path(), "", problem=problem)


def files_below(folder: Path) -> Iterator[str]:
    """Every file below a folder as a relative path with slashes, sorted, without hidden files and folders."""
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield (Path(top) / name).relative_to(folder).as_posix()


def is_picture(name: str) -> bool:
    """Whether a file's name says that it is a picture."""
    return os.path.splitext(name)[1].lower() in PICTURES


_SCRIPTS = (
    ("ja", "[\u3040-\u30ff]"),
    ("ko", "[\u1100-\u11ff\uac00-\ud7af]"),
    ("zh", "[\u3400-\u9fff]"),
    ("en", "[A-Za-z]"),
)


def language_of(text: str) -> str:
    """The language that a text's script suggests: ja, ko, zh; en for Latin letters of whatever language; und for others."""
    return next((language for language, letters in _SCRIPTS if re.search(letters, text)), "und")
