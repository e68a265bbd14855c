"""A data set made of another one: some tables changed, all else the same files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.tables import write_table


def derive(
    data: DataSet,
    out: Path,
    made_by: Mapping[str, Any],
    table: str,
    split: str,
    change: Callable[[pa.Table], pa.Table],
) -> DataSet:
    """The data set in ``out`` that is ``data`` with ``change`` done to each shard of one table's split.

    The other files are links to those of ``data`` where the disk allows, else copies: files of a data set are replaced, never
    written into. It is made aside and renamed; what was in ``out`` before goes then.
    """
    aside, old = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.old")
    for left in (aside, old):
        shutil.rmtree(left, ignore_errors=True)
    writer = DataSetWriter(aside, data.info["name"], made_by, data.info["languages"])
    changed = {shard.relative_to(data.path) for shard in data.shards(table, split)}
    for file in sorted([*data.path.glob("*/*.parquet"), *data.path.glob("classes.json")]):
        name = file.relative_to(data.path)
        if name in changed:
            write_table(aside / name, change(pq.ParquetFile(file).read()))
        else:
            _same(file, aside / name)
    writer.finish()
    if out.exists():
        out.rename(old)
    aside.rename(out)
    shutil.rmtree(old, ignore_errors=True)
    return DataSet.open(out)


def _same(file: Path, target: Path) -> None:
    """A link to the file, or a copy where another disk or a file system without links forbids it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
