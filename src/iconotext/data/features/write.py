"""From a source to the shards of a region store, one after the other, so that a killed import goes on where it stopped.

Shard number k holds what came of the k-th run of images in the source's order. ``import.json`` in the store says where
in the source each begins; it is written after the shard, so a shard counts once both are there, and one that is torn is
made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError
from iconotext.core.files import write_json
from iconotext.data.features.record import Entry, Record, Source
from iconotext.data.shard import ImageRegions, open_shard, shapes_of
from iconotext.data.store import StoreWriter
from iconotext.data.unpickle import UnsafeData


@dataclass(frozen=True)
class Counts:
    """How many images went in, how many did not, and the place in the source behind them."""

    kept: int
    left: int
    next: int


class Journal:
    """What is known of an import beside its shards; ``about`` tells what decides its content.

    Raises:
        DataError: the store was begun from another source, or in another way.
    """

    def __init__(self, store: Path, about: Mapping[str, Any]) -> None:
        self._file = store / "import.json"
        self._about = json.loads(json.dumps(dict(about)))
        self.shards: list[Counts] = []
        if self._file.is_file():
            found = json.loads(self._file.read_text("utf-8"))
            self.shards = [Counts(*counts) for counts in found["shards"]]
            there, asked = (json.dumps(each, ensure_ascii=False) for each in (found["of"], self._about))
            if there != asked:
                raise DataError(
                    f"{store} holds another import:\n  there: {there}\n  asked: {asked}\nDelete it or name another folder."
                )
        else:
            self._write()

    @property
    def kept(self) -> int:
        """How many images went in."""
        return sum(counts.kept for counts in self.shards)

    @property
    def left(self) -> int:
        """How many images did not."""
        return sum(counts.left for counts in self.shards)

    def note(self, index: int, counts: Counts) -> None:
        """A shard is written."""
        self.shards[index : index + 1] = [counts]
        self._write()

    def _write(self) -> None:
        shards = [[counts.kept, counts.left, counts.next] for counts in self.shards]
        write_json(self._file, {"of": self._about, "kept": self.kept, "left": self.left, "shards": shards})


def write_shards(
    source: Source,
    writer: StoreWriter,
    journal: Journal,
    row_of: Callable[[Record], ImageRegions],
    shard: int,
    strict: bool,
    where: str,
) -> Iterator[int]:
    """Write every shard that is not there yet; yields the place in the source as it goes on.

    Args:
        row_of: makes a row of the store of a record.
        shard: images of a shard.
        strict: whether an image that cannot be used ends it.
        where: the source's name in messages.

    Raises:
        UnsafeData: a record asks for code; it ends here also without ``strict``.
        DataError: an image cannot be used, with ``strict``.
    """
    shapes = shapes_of(writer.fingerprint)
    seen: set[str] = set()
    index = place = 0
    while place < source.total:
        there = open_shard(writer.shard(index), shapes) if index < len(journal.shards) else "not written"
        if isinstance(there, str):
            rows: list[ImageRegions] = []
            entries = 0
            for entry in islice(source.entries(place), shard):
                entries, place = entries + 1, entry.next
                try:
                    row = _row(entry, row_of, seen, where)
                except UnsafeData:
                    raise
                except DataError as error:
                    if strict:
                        raise
                    writer.quarantine(f"{entry.name} (up to place {place})", str(error))
                else:
                    seen.add(row.image_id)
                    rows.append(row)
                yield place
            if entries == 0:
                return
            writer.write_shard(index, rows)
            journal.note(index, Counts(len(rows), entries - len(rows), place))
        else:
            seen.update(there.ids)
            place = journal.shards[index].next
            yield place
        index += 1


def _row(entry: Entry, row_of: Callable[[Record], ImageRegions], seen: set[str], where: str) -> ImageRegions:
    """The row of an entry, unless its image was there before."""
    record = entry.read()
    try:
        row = row_of(record)
        if row.image_id in seen:
            raise DataError("an image of this id was there before")
    except DataError as error:
        raise DataError(f"{where}, image {record.image_id!r}: {error}") from error
    return row
