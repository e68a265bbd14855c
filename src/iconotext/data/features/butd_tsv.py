"""Tab-separated files of bottom-up attention and of what was made with it: LXMERT, ViLBERT, VOLTA.

One line an image, no header, arrays in base64 (float32; class numbers int64). The number of columns tells which of them
a file is; the layouts were read off the published readers (bottom-up-attention tools/read_tsv.py, LXMERT src/utils.py,
vilbert_beta and VOLTA data/conceptual_captions). Bottom-up attention has the width before the height, LXMERT after it.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.features.fields import record_of
from iconotext.data.features.lines import LONGEST, Lines
from iconotext.data.features.record import Reading, Record, Source

_BUTD = ("image_id", "image_w", "image_h", "num_boxes", "boxes", "features")
_LXMERT = (
    *("img_id", "img_h", "img_w", "objects_id", "objects_conf", "attrs_id", "attrs_conf"),
    *("num_boxes", "boxes", "features"),
)
COLUMNS: dict[int, tuple[str, tuple[str, ...]]] = {
    6: ("butd_6col", _BUTD),
    7: ("vilbert_7col_cls_prob", (*_BUTD, "cls_prob")),
    10: ("lxmert_10col", _LXMERT),
    13: ("volta_13col", (*_LXMERT, "cls_prob", "attrs", "classes")),
}
"""Layout and columns by their number."""

_SUFFIX = re.compile(r"\.tsv(\.\d+)?$", re.IGNORECASE)


def files_of(path: Path) -> list[Path]:
    """The files of a source: itself, or those of a folder in order of name, parts (``.tsv.0``, ``.tsv.1`` …) by number."""
    if not path.is_dir():
        return [path]
    found = [file for file in path.iterdir() if _SUFFIX.search(file.name)]
    return sorted(
        found, key=lambda file: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)]
    )


def recognises(path: Path) -> bool:
    """Whether the name says ``.tsv``, or the folder has such files."""
    return bool(_SUFFIX.search(path.name)) if path.is_file() else path.is_dir() and bool(files_of(path))


def open_source(path: Path, reading: Reading) -> Source:
    """The lines of a file, or of all files of a folder.

    Raises:
        DataError: there is none, or the first line has a number of columns that no known layout has.
    """
    files = files_of(path)
    if not files:
        raise DataError(f"{path} holds no .tsv files")
    with files[0].open("rb") as file:
        first = _cells(file.readline(LONGEST).rstrip(b"\r\n"))
    if len(first) not in COLUMNS:
        known = ", ".join(f"{number} ({layout})" for number, (layout, _) in COLUMNS.items())
        raise DataError(f"{files[0]}: the first line has {len(first)} columns; known are {known}")
    layout, names = COLUMNS[len(first)]

    def parse(line: bytes) -> Record:
        cells = _cells(line)
        if len(cells) != len(names):
            raise DataError(f"{len(cells)} columns instead of {len(names)}: the line is cut, or of another file")
        return record_of(dict(zip(names, cells)))

    return Lines(layout, files, parse)


def _cells(line: bytes) -> list[str]:
    """The columns of a line; quotes are as the csv module writes them, which wrote these files."""
    try:
        cells = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError("the line is no UTF-8") from error
    if '"' not in cells:
        return cells.split("\t")
    csv.field_size_limit(LONGEST)
    try:
        return next(csv.reader([cells], delimiter="\t", strict=True))
    except (csv.Error, StopIteration) as error:
        raise DataError(f"the line is no tab-separated text ({error})") from error
