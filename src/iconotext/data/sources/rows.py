"""The rows of a table as its file has them: CSV, TSV, JSONL or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from iconotext.core.errors import DataError

Choose = Callable[[Sequence[str]], Sequence[str]]
"""Of the columns that are there those that are wanted; raises ``DataError`` where one is missing."""


@dataclass(frozen=True)
class Row:
    """One row: where it is, its cells, or why it cannot be read."""

    place: str
    cells: Mapping[str, Any]
    problem: str = ""


def read_rows(table: Path, choose: Choose, encoding: str = "utf-8-sig") -> Iterator[Row]:
    """The rows in order. CSV is quoted as RFC 4180 says, TSV is not quoted.

    ``choose`` is asked once, of JSONL with the keys of the first object.

    Raises:
        DataError: the table cannot be read.
    """
    reader = _READERS.get(table.suffix.lower())
    if reader is None:
        raise DataError(f"{table}: a table ends in {', '.join(_READERS)}; COCO captions in .json")
    try:
        yield from reader(table, choose, encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{table} is not {encoding} ({error}): name its encoding with --encoding, as gb18030"
        ) from error
    except (OSError, csv.Error, pa.ArrowException) as error:
        raise DataError(f"{table} cannot be read: {error}") from error


def _csv_rows(table: Path, choose: Choose, encoding: str) -> Iterator[Row]:
    tabs = table.suffix.lower() == ".tsv"
    with table.open(encoding=encoding, newline="") as file:
        reader = csv.DictReader(
            file, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL, strict=True
        )
        choose(list(reader.fieldnames or []))
        for cells in reader:
            problem = "more cells than the table has columns" if None in cells else ""
            yield Row(f"{table.name} line {reader.line_num}", cells, problem)


def _json_rows(table: Path, choose: Choose, encoding: str) -> Iterator[Row]:
    with table.open(encoding=encoding) as file:
        checked = False
        for number, line in enumerate(file, 1):
            place = f"{table.name} line {number}"
            if not line.strip():
                continue
            try:
                cells = json.loads(line)
            except ValueError as error:
                yield Row(place, {}, f"not JSON: {error}")
                continue
            if not isinstance(cells, dict):
                yield Row(place, {}, "not a JSON object")
                continue
            if not checked:
                choose(list(cells))
                checked = True
            yield Row(place, cells)


def _parquet_rows(table: Path, choose: Choose, encoding: str) -> Iterator[Row]:
    file = pq.ParquetFile(table)
    columns = list(dict.fromkeys(choose(file.schema_arrow.names)))
    number = 0
    for batch in file.iter_batches(columns=columns):
        for cells in batch.to_pylist():
            number += 1
            yield Row(f"{table.name} row {number}", cells)


_READERS = {".csv": _csv_rows, ".tsv": _csv_rows, ".jsonl": _json_rows, ".parquet": _parquet_rows}
