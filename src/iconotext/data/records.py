"""The data set on disk: a folder of Parquet shards, one sub-folder a table, that anything which reads Parquet reads.

``dataset.json`` is written last, so its presence means "complete". Shards are written aside and renamed, so a file that
is there is whole. ``README.md`` tells Hugging Face ``datasets`` which files make which table and split.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from iconotext.core.errors import DataError
from iconotext.core.files import read_about, write_bytes, write_json
from iconotext.data.pictures import decode
from iconotext.data.tables import IMAGE_ROWS, SCHEMAS, to_table, write_table

__all__ = [
    "SCHEMAS",
    "DataSet",
    "DataSetWriter",
    "add_rows",
    "fingerprint",
    "to_table",
    "write_table",
]

FORMAT = "iconotext-dataset/1"
SPLITS = ("train", "validation", "test", "test_unseen", "testA", "testB")
_REPORTS = ("report.json", "report.txt")  # What a run leaves that found nothing it could use.


class DataSet:
    """A finished data set: its tables, and its pictures by id."""

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> DataSet:
        """Open the folder ``path``.

        Raises:
            DataError: there is no finished data set; the message names the commands that make one.
        """
        folder = Path(path)
        file = folder / "dataset.json"
        if not file.is_file():
            raise DataError(f"data set {folder} {_what_is_missing(folder)}")
        return cls(folder, read_about(file, FORMAT))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits there are, such as train, validation, test."""
        return tuple(self.info["splits"])

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables there are, such as images, texts, vqa."""
        return tuple(self.info["tables"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all tables: equal for equal data."""
        return str(self.info["fingerprint"])

    def shards(self, name: str, split: str) -> list[Path]:
        """The Parquet files of a table's split, in order; none where the split has no rows of that table.

        Raises:
            DataError: the data set has no such table or no such split.
        """
        for kind, wanted, known in (("table", name, self.tables), ("split", split, self.splits)):
            if wanted not in known:
                raise DataError(f"data set {self.path} has no {kind} {wanted!r}; it has {', '.join(known)}")
        return sorted((self.path / name).glob(f"{split}-[0-9][0-9][0-9][0-9][0-9].parquet"))

    def table(self, name: str, split: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a table's split with all columns, or with those named.

        Raises:
            DataError: there is no such table, split or column, or a shard cannot be read.
        """
        schema = SCHEMAS[name] if columns is None else pa.schema([SCHEMAS[name].field(c) for c in columns])
        parts = [_read_shard(shard, columns) for shard in self.shards(name, split)]
        return pa.concat_tables(parts, promote_options="default") if parts else schema.empty_table()

    def image_ids(self, split: str) -> list[str]:
        """The ids of a split's pictures, in stored order."""
        ids: list[str] = self.table("images", split, ["image_id"]).column(0).to_pylist()
        return ids

    def image_bytes(self, image_id: str) -> bytes:
        """The stored file of a picture of any split.

        Raises:
            DataError: no split has a picture of this id.
        """
        place = self._places.get(image_id)
        if place is None:
            raise DataError(f"data set {self.path} has no picture {image_id!r} (it has {len(self._places)} pictures)")
        shard, row = place
        return _read_group(shard, row // IMAGE_ROWS, self.fingerprint)[row % IMAGE_ROWS]

    def image(self, image_id: str) -> Image.Image:
        """A picture of any split as RGB, by the rule of ``data.pictures``.

        Raises:
            DataError: no split has a picture of this id, or it cannot be decoded.
        """
        try:
            return decode(self.image_bytes(image_id))
        except DataError as error:
            raise DataError(f"picture {image_id!r}: {error}") from error

    @functools.cached_property
    def _places(self) -> dict[str, tuple[Path, int]]:
        """Where each picture lies: its shard and its row in it."""
        places: dict[str, tuple[Path, int]] = {}
        for split in self.splits:
            for shard in self.shards("images", split):
                ids = _read_shard(shard, ["image_id"]).column(0).to_pylist()
                places.update((image_id, (shard, row)) for row, image_id in enumerate(ids))
        return places


def _what_is_missing(folder: Path) -> str:
    if (folder / ".making").is_dir():
        return "was begun but is not finished: run the command that made it once more"
    makers = "`iconotext world` (built-in pictures) or `iconotext ingest` (your own) makes a data set"
    return f"holds no dataset.json: {makers}" if folder.is_dir() else f"does not exist: {makers}"


def _read_shard(shard: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        return pq.ParquetFile(shard, memory_map=True).read(columns=list(columns) if columns is not None else None)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{shard} cannot be read ({error}): make the data set again") from error


@functools.lru_cache(maxsize=4)
def _read_group(shard: Path, group: int, _fingerprint: str) -> list[bytes]:
    """The picture files of one row group; the fingerprint tells a data set that was made again in the same place.

    A file is opened anew each time, since an open one must not be read by two threads.
    """
    table = pq.ParquetFile(shard, memory_map=True).read_row_group(group, columns=["image.bytes"], use_threads=False)
    files: list[bytes] = table.column(0).combine_chunks().field(0).to_pylist()
    return files


class DataSetWriter:
    """Writes a data set shard by shard, so that a killed run goes on where it stopped and ends with the same bytes.

    ``made_by`` (command, options, version and whatever else decides the content) is kept in ``.making`` until the end: a
    folder that was begun otherwise is refused, so shards of two runs never mix.

    Raises:
        DataError: the folder holds a data set, begun or finished, that was made otherwise, or other files.
    """

    def __init__(
        self, path: str | os.PathLike[str], name: str, made_by: Mapping[str, Any], languages: Sequence[str]
    ) -> None:
        self.path = Path(path)
        self.name = name
        self.languages = list(languages)
        self.made_by = json.loads(json.dumps(dict(made_by)))
        self.making = self.path / ".making"
        begun, finished = self.making / "made_by.json", self.path / "dataset.json"
        if finished.is_file():
            self._require_same(json.loads(finished.read_text("utf-8")).get("made_by"))
        elif begun.is_file():
            self._require_same(json.loads(begun.read_text("utf-8")))
        else:
            others = self.path.iterdir() if self.path.is_dir() else ()
            if any(child.name not in _REPORTS and not child.name.startswith(".") for child in others):
                raise DataError(f"{self.path} holds other files: name an empty or a new folder")
            write_json(begun, self.made_by)

    @property
    def finished(self) -> bool:
        """Whether the data set is complete and nothing is left to do."""
        return (self.path / "dataset.json").is_file()

    def shard(self, table: str, split: str, index: int) -> Path:
        """The file of a shard."""
        return self.path / table / f"{split}-{index:05d}.parquet"

    def done(self, table: str, split: str, index: int) -> bool:
        """Whether a shard is written."""
        return self.shard(table, split, index).is_file()

    def write(self, table: str, split: str, index: int, columns: Mapping[str, Sequence[Any]] | pa.Table) -> None:
        """Write one shard atomically.

        Raises:
            DataError: the columns are not those of ``SCHEMAS[table]``.
        """
        rows = columns if isinstance(columns, pa.Table) else to_table(table, columns)
        if not rows.schema.equals(SCHEMAS[table]):
            raise DataError(f"table {table!r} has the columns\n{SCHEMAS[table]}\nnot\n{rows.schema}")
        write_table(self.shard(table, split, index), rows.replace_schema_metadata(SCHEMAS[table].metadata))

    def finish(self) -> DataSet:
        """Count and hash what was written, describe it in README.md and dataset.json, and open it."""
        if not self.finished:
            _describe(self.path, self.name, self.made_by, self.languages)
        shutil.rmtree(self.making, ignore_errors=True)
        return DataSet.open(self.path)

    def _require_same(self, other: object) -> None:
        if other != self.made_by:
            mine = json.dumps(self.made_by, ensure_ascii=False)
            raise DataError(
                f"{self.path} holds a data set that was made in another way:\n  there: "
                f"{json.dumps(other, ensure_ascii=False)}\n  asked: {mine}\nDelete it or name another folder."
            )


def add_rows(data: DataSet, table: str, split: str, rows: Sequence[Mapping[str, Any]]) -> DataSet:
    """The data set with more rows of a table, such as queries of one's own; columns that a row lacks are null.

    Raises:
        DataError: there is no such table or split, or a row has other columns or types.
    """
    if table not in SCHEMAS or split not in data.splits:
        known = f"tables are {', '.join(SCHEMAS)}, its splits {', '.join(data.splits)}"
        raise DataError(f"data set {data.path} cannot have rows of {table!r}, {split!r}: {known}")
    unknown = sorted({column for row in rows for column in row} - set(SCHEMAS[table].names))
    if unknown:
        raise DataError(f"table {table!r} has no column {', '.join(unknown)}; it has {', '.join(SCHEMAS[table].names)}")
    number = len(list((data.path / table).glob(f"{split}-*.parquet")))
    columns = {name: [row.get(name) for row in rows] for name in SCHEMAS[table].names}
    write_table(data.path / table / f"{split}-{number:05d}.parquet", to_table(table, columns))
    _describe(data.path, data.info["name"], data.info["made_by"], data.info["languages"])
    return DataSet.open(data.path)


def _describe(path: Path, name: str, made_by: Mapping[str, Any], languages: Sequence[str]) -> None:
    """Count and hash the tables of a data set, and write README.md and dataset.json."""
    tables = [table for table in SCHEMAS if any((path / table).glob("*.parquet"))]
    splits = _count(path, tables)
    write_bytes(path / "README.md", _card(name, tables, splits).encode())
    info = {"format": FORMAT, "name": name, "made_by": made_by, "languages": list(languages)}
    write_json(path / "dataset.json", {**info, "splits": splits, "tables": tables, "fingerprint": fingerprint(path)})


def fingerprint(path: Path) -> str:
    """SHA-256 over the names and the content of all tables (and of classes.json) below ``path``."""
    total = hashlib.sha256()
    for file in sorted([*path.glob("*/*.parquet"), *path.glob("classes.json")]):
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{file.relative_to(path).as_posix()} {digest}\n".encode())
    return total.hexdigest()


def _count(path: Path, tables: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows of each table by split, from the Parquet footers."""
    counts: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        for table in tables:
            shards = sorted((path / table).glob(f"{split}-[0-9][0-9][0-9][0-9][0-9].parquet"))
            if shards:
                counts.setdefault(split, {})[table] = sum(pq.read_metadata(shard).num_rows for shard in shards)
    return counts


def _card(name: str, tables: Sequence[str], splits: Mapping[str, Mapping[str, int]]) -> str:
    """The README.md that makes ``datasets.load_dataset(folder, table)`` work."""
    lines = ["---", "configs:"]
    for table in tables:
        lines += [f"- config_name: {table}", "  data_files:"]
        for split in splits:
            if table in splits[split]:
                lines += [f"  - split: {split}", f'    path: "{table}/{split}-[0-9]*.parquet"']
    rows = [f"| {split} | " + " | ".join(str(splits[split].get(t, 0)) for t in tables) + " |" for split in splits]
    head = ["| split | " + " | ".join(tables) + " |", "|---" * (len(tables) + 1) + "|"]
    return "\n".join([*lines, "---", "", f"# {name}", "", *head, *rows, ""])
