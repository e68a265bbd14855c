"""From the items of a source to the shards of a data set; what cannot be used is set aside with its reason.

Shard number k holds what came of the k-th run of items, in the source's order, as one file a split and table. Its journal is
written last: a shard with a journal is done, so a killed run goes on with the first one without and ends with the same
bytes. Of equal files the first in the source's order is kept, and of equal ids.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from iconotext.core.errors import DataError
from iconotext.core.files import write_json
from iconotext.core.seed import derive
from iconotext.data.pictures import Stored, normalise
from iconotext.data.records import DataSetWriter
from iconotext.data.sources.item import Caption, Item, language_of

SPLITS = ("train", "validation", "test")

REASONS = {
    "unusable entry": "the entry names no picture, or contradicts itself",
    "missing": "there is no such picture file",
    "no text": "the picture has no text",
    "unreadable": "the picture cannot be decoded",
    "duplicate": "the same file was there before",
    "same id": "another picture has the same id",
}
"""Why an item is skipped."""


@dataclass(frozen=True)
class Rules:
    """What decides how items become rows.

    ``split`` are the shares of train, validation and test, given by a hash of the picture's id; ``language`` is that of
    texts whose source names none ("auto": by script); ``max_side`` bounds a picture's longest side in pixels; ``shard`` is the
    number of items that are written at a time. With ``listed`` the source lists its pictures by id: a picture may have no
    text, and equal files under two ids are two pictures.
    """

    split: tuple[float, float, float] = (0.9, 0.05, 0.05)
    language: str = "auto"
    max_side: int = 1333
    shard: int = 500
    listed: bool = False

    def split_of(self, item: Item) -> str:
        """The source's split where it names one, else by the id."""
        return item.split or self.drawn(item.image_id)

    def drawn(self, name: str) -> str:
        """The split that the hash of an id gives: it never moves when pictures are added."""
        place = derive("ingest split", name) / 2**64
        train, validation, _ = self.split
        return SPLITS[int(place >= train) + int(place >= train + validation)]

    def language_of(self, caption: Caption) -> str:
        """The language a text is recorded with."""
        return caption.language or (language_of(caption.text) if self.language == "auto" else self.language)


@dataclass(frozen=True)
class Skipped:
    """An item that cannot be used, one of ``REASONS``, and the particulars."""

    item: str
    reason: str
    detail: str


@dataclass
class Journal:
    """What came of one shard: ``kept`` maps an id to its file's SHA-256 and name; ``changes`` counts ``Stored.change``.

    ``scaled`` has, for pictures that were scaled down, how much of their width and of their height is left.
    """

    kept: dict[str, tuple[str, str]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    images: dict[str, int] = field(default_factory=dict)
    texts: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    scaled: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Journal:
        """A journal that was written."""
        values = json.loads(file.read_text("utf-8"))
        kept = {image_id: (digest, name) for image_id, (digest, name) in values.pop("kept").items()}
        scaled = {image_id: (wide, high) for image_id, (wide, high) in values.pop("scaled").items()}
        skipped = [Skipped(**item) for item in values.pop("skipped")]
        return cls(kept=kept, skipped=skipped, scaled=scaled, **values)


@dataclass(frozen=True)
class _Ready:
    """A picture that can be kept, with the SHA-256 of its file."""

    item: Item
    digest: str
    stored: Stored


def write_shards(writer: DataSetWriter, items: Sequence[Item], rules: Rules, workers: int) -> Iterator[int]:
    """Write every shard that is not there yet; yields the number of items dealt with, as it goes on."""
    digests: dict[str, str] = {}
    ids: set[str] = set()
    pool = ThreadPoolExecutor(workers)
    try:
        for index in range(-(-len(items) // rules.shard)):
            part = items[index * rules.shard : (index + 1) * rules.shard]
            file = writer.making / f"shard-{index:05d}.json"
            if file.is_file():
                journal = Journal.load(file)
                yield len(part)
            else:
                journal, rows = Journal(), _Rows()
                for prepared in pool.map(partial(_prepare, rules=rules), part):
                    rows.add(_settle(prepared, {} if rules.listed else digests, ids), rules, journal)
                    yield 1
                rows.write(writer, index)
                write_json(file, asdict(journal))
            digests.update(journal.kept.values())
            ids.update(journal.kept)
    finally:
        pool.shutdown(cancel_futures=True)


def journals(writer: DataSetWriter) -> list[Journal]:
    """The journals of all shards, in order; they are gone once the data set is finished."""
    return [Journal.load(file) for file in sorted(writer.making.glob("shard-*.json"))]


def discard(writer: DataSetWriter) -> None:
    """Take back all shards, so that the next run looks at every item anew; journals go first, for they say "done"."""
    for file in writer.making.glob("shard-*.json"):
        file.unlink()
    for folder in (writer.path / "images", writer.path / "texts", writer.making):
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(item: Item, rules: Rules) -> _Ready | Skipped:
    """Read, check and convert one picture; runs in a thread."""
    if item.problem:
        return Skipped(item.name, "unusable entry", item.problem)
    if not item.file.is_file():
        return Skipped(item.name, "missing", REASONS["missing"])
    if not item.texts and not rules.listed:
        return Skipped(item.name, "no text", REASONS["no text"])
    try:
        data = item.file.read_bytes()
        return _Ready(item, hashlib.sha256(data).hexdigest(), normalise(data, rules.max_side))
    except (OSError, DataError) as error:
        return Skipped(item.name, "unreadable", str(error))


def _settle(prepared: _Ready | Skipped, digests: dict[str, str], ids: set[str]) -> _Ready | Skipped:
    """Skip what was there before, and remember what was not."""
    if isinstance(prepared, Skipped):
        return prepared
    item = prepared.item
    if prepared.digest in digests:
        return Skipped(item.name, "duplicate", f"the same file as {digests[prepared.digest]}")
    if item.image_id in ids:
        return Skipped(item.name, "same id", f"another picture has the id {item.image_id}")
    digests[prepared.digest] = item.name
    ids.add(item.image_id)
    return prepared


class _Rows:
    """The rows of one shard, by split and table."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def add(self, settled: _Ready | Skipped, rules: Rules, journal: Journal) -> None:
        """Take one item up, into the rows or only into the journal."""
        if isinstance(settled, Skipped):
            journal.skipped.append(settled)
            return
        item, stored, split = settled.item, settled.stored, rules.split_of(settled.item)
        path = PurePosixPath(item.name)
        name = path.name if not stored.change else path.stem + stored.suffix
        image = {"bytes": stored.data, "path": name}
        row = {"image_id": item.image_id, "image": image, "width": stored.width, "height": stored.height}
        self._tables.setdefault(("images", split), []).append(row)
        for number, caption in enumerate(item.texts):
            self._tables.setdefault(("texts", split), []).append(
                {
                    "text_id": f"{item.image_id}#{number}",
                    "image_id": item.image_id,
                    "text": caption.text.strip(),
                    "language": rules.language_of(caption),
                    "kind": "",
                    "matched": True,
                }
            )
            journal.languages = sorted({*journal.languages, rules.language_of(caption)})
        journal.kept[item.image_id] = (settled.digest, item.name)
        if stored.change == "scaled":
            journal.scaled[item.image_id] = (stored.width / stored.given[0], stored.height / stored.given[1])
        journal.images[split] = journal.images.get(split, 0) + 1
        journal.texts += len(item.texts)
        journal.changes[stored.change] = journal.changes.get(stored.change, 0) + 1

    def write(self, writer: DataSetWriter, index: int) -> None:
        """Write one file for each table and split that has rows."""
        for (table, split), rows in self._tables.items():
            writer.write(table, split, index, {name: [row[name] for row in rows] for name in rows[0]})
