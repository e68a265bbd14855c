"""The region store: extracted regions on disk, read without a copy.

A store is a folder of Arrow IPC files, uncompressed and memory-mapped, each one record batch with a row an image. Regions
are ragged: a list column holds all regions of the shard in one flat array plus offsets, so a row is a slice of it.
Anything that reads Arrow reads a store.
"""

from __future__ import annotations

import fcntl
import json
import math
import mmap
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.core.files import read_about, write_bytes, write_json
from iconotext.core.fingerprint import Fingerprint
from iconotext.data.begun import Begun, remove_begun
from iconotext.data.coding import PLAIN, Storage
from iconotext.data.quarantine import as_lines, read_reasons
from iconotext.data.shard import DTYPES, F16, F32, I32, I64, ImageRegions, Shapes, Shard, encode, open_shard, shapes_of

__all__ = ["ImageRegions", "PackedRegions", "RegionStore", "Storage", "StoreWriter", "locked"]

FORMAT = "iconotext-regions/1"
DUPLICATES = "duplicates.json"
"""Images whose regions are those of another: their ids, and its id."""
RESIDENT = 2 * 2**30
"""Bytes of a store up to which a process keeps the pages that it has read mapped."""
_SHARDS = "regions-*.arrow"
_AGAIN = "run the command that made it (`iconotext extract` or `iconotext import-features`) once more"
_WIDE_FIRST = sorted(
    DTYPES, key=lambda name: -np.dtype(DTYPES[name]).itemsize
)  # So every column of a batch is aligned.


@dataclass(frozen=True)
class PackedRegions:
    """The regions of B images one after the other: row i has ``offsets[i]:offsets[i + 1]`` of the M regions.

    ``sizes`` [B, 2] are (width, height); the rest as in ``ImageRegions`` with M in place of R. The arrays are the caller's.
    """

    boxes: F32
    scores: F32
    features: F16
    class_probs: F16
    attributes: I32
    attribute_scores: F32
    sizes: I32
    offsets: I64


class RegionStore:
    """A store opened for reading; rows are found by image id.

    A shard that is torn or missing is reported by a warning with its name and the rows it held; the other rows are read
    as if it had never been there. ``problems`` keeps the messages.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.fingerprint = Fingerprint(**about["fingerprint"])
        self.class_names: list[str] = about["class_names"]
        self.attribute_names: list[str] = about["attribute_names"]
        self.feature_dim = self.fingerprint.feature_dim
        self.class_count = self.fingerprint.classes
        self.storage = Storage(**about.get("storage", {}))
        self._shapes = shapes_of(self.fingerprint)
        self._bytes = {name: math.prod(shape) * np.dtype(DTYPES[name]).itemsize for name, shape in self._shapes.items()}
        self.region_bytes = sum(self._bytes.values())
        """Bytes of a region once it is read."""
        shards, self.problems = _open_shards(path, about.get("shards"), self._shapes, self.storage)
        for problem in self.problems:
            warnings.warn(problem, RuntimeWarning, stacklevel=3)
        self.ids: list[str] = [image_id for shard in shards for image_id in shard.ids]
        """The images that it holds, in order."""
        count = len(self.ids)
        row = dict(zip(self.ids, range(count)))
        if len(row) < count:
            raise DataError(f"region store {path} holds an image twice: {_AGAIN}")
        twins = {twin: row[of] for twin, of in read_duplicates(path).items() if of in row and twin not in row}
        rows = np.array([*range(count), *twins.values()], np.int64)
        self.ids += twins
        row.update(zip(twins, range(count, len(self.ids))))
        self._row = row
        self._columns = {name: [shard.flat[name] for shard in shards] for name in self._shapes}
        self._mapped = [shard.mapped for shard in shards]
        self._large = sum(map(len, self._mapped)) > RESIDENT
        lengths = [len(shard.ids) for shard in shards]
        self._shard_of = np.repeat(np.arange(len(lengths)), lengths)[rows]
        self._starts = _join([shard.starts for shard in shards])[rows]
        self.counts: I64 = _join([shard.counts for shard in shards])[rows]
        """Regions of each row, in the order of ``ids``."""
        self._sizes = np.concatenate([np.zeros((0, 2), np.int32), *(shard.sizes for shard in shards)])[rows]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RegionStore:
        """Open the folder ``path``; only ids and offsets are read.

        Raises:
            DataError: there is no store, or it is of another format.
        """
        file = Path(path) / "store.json"
        if not file.is_file():
            raise DataError(
                f"{path} is no region store (no store.json): `iconotext extract DATA {path}` makes one of pictures, "
                f"`iconotext import-features SOURCE {path}` one of features that others extracted"
            )
        about = read_about(file, FORMAT)
        try:
            return cls(Path(path), about)
        except (KeyError, TypeError) as error:
            raise DataError(f"{file} lacks an entry or has an unknown one ({error}): {_AGAIN}") from error

    def __reduce__(self) -> tuple[Callable[[Path], RegionStore], tuple[Path]]:
        # Another process maps the files itself; pickling the views would copy the whole store.
        return RegionStore.open, (self.path,)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._row

    def rows(self, ids: Sequence[str]) -> I64:
        """The row of each image, for ``counts`` and the like.

        Raises:
            DataError: the store has no regions of an image.
        """
        try:
            return np.array([self._row[image_id] for image_id in ids], np.int64)
        except KeyError as error:
            raise DataError(
                f"region store {self.path} has no regions of image {error}: quarantine.jsonl in it names those that could "
                "not be used; an image that is newer than the store needs a new one (`iconotext extract` or "
                "`iconotext import-features`)"
            ) from None

    def get(self, image_id: str) -> ImageRegions:
        """The regions of one image as read-only views of the mapped file.

        Raises:
            DataError: the store has no regions of this image.
        """
        row = int(self.rows([image_id])[0])
        start, count = int(self._starts[row]), int(self.counts[row])
        shard = int(self._shard_of[row])
        width, height = self._sizes[row].tolist()
        views = {name: columns[shard][start : start + count] for name, columns in self._columns.items()}
        self._let_go([shard])
        return ImageRegions(image_id=image_id, size=(width, height), **views)

    def gather(self, ids: Sequence[str]) -> PackedRegions:
        """The regions of a batch of images, copied once from the mapped files into new arrays; ids may repeat.

        Raises:
            DataError: the store has no regions of an image.
        """
        rows = self.rows(ids)
        starts, counts = self._starts[rows], self.counts[rows]
        shards = self._shard_of[rows].tolist()
        cuts = list(zip(shards, map(slice, starts.tolist(), (starts + counts).tolist())))
        packed = self._allocate(int(counts.sum()))
        for name, columns in self._columns.items():
            if cuts and packed[name].size:
                np.concatenate([columns[shard][cut] for shard, cut in cuts], out=packed[name])
        self._let_go(shards)
        return PackedRegions(sizes=self._sizes[rows], offsets=np.concatenate([[0], np.cumsum(counts)]), **packed)

    def _let_go(self, shards: Iterable[int]) -> None:
        """Unmap what was read of a large store: it would count as this process's memory, and each worker has its own.

        It stays in the page cache, and views of it stay good, since a page that is read again is mapped again.
        """
        if self._large:
            for shard in set(shards):
                self._mapped[shard].madvise(mmap.MADV_DONTNEED)

    def _allocate(self, regions: int) -> dict[str, NDArray[Any]]:
        """New columns in one block of memory: one of the allocator's large blocks a batch instead of six."""
        block = np.empty(regions * self.region_bytes, np.uint8)
        columns: dict[str, NDArray[Any]] = {}
        begin = 0
        for name in _WIDE_FIRST:
            end = begin + regions * self._bytes[name]
            columns[name] = block[begin:end].view(DTYPES[name]).reshape(regions, *self._shapes[name])
            begin = end
        return columns


class StoreWriter:
    """Writes a store shard by shard; a killed run goes on with what is missing and ends with the same bytes.

    Several processes may write to one store as long as each shard has one writer; one of them calls ``finish`` at last.
    (Two that begin or finish at the same moment do so one after the other in ``locked``.) ``class_names`` names the columns
    of ``class_probs``; ``storage`` is how features and class probabilities are kept.

    Raises:
        FingerprintError: the folder holds regions that were made in another way.
        DataError: the folder holds something else, or other names.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fingerprint: Fingerprint,
        class_names: Sequence[str],
        attribute_names: Sequence[str],
        storage: Storage = PLAIN,
    ) -> None:
        self.path = Path(path)
        self.storage = storage
        self.fingerprint = fingerprint
        self._shapes = shapes_of(fingerprint)
        self._pending: dict[str, str] = {}
        self._about: dict[str, Any] = {
            "format": FORMAT,
            "fingerprint": asdict(fingerprint),
            "class_names": list(class_names),
            "attribute_names": list(attribute_names),
        } | ({} if storage == PLAIN else {"storage": asdict(storage)})
        file = self.path / "store.json"
        if file.is_file():
            there = json.loads(file.read_text("utf-8"))
            Fingerprint(**there["fingerprint"]).require(fingerprint, f"region store {path}")
            if {name: there.get(name) for name in self._about} != self._about or Storage(
                **there.get("storage", {})
            ) != storage:
                raise DataError(
                    f"region store {path} was made with other class or attribute names, or keeps features or class "
                    "probabilities in another way: name a new folder"
                )
        else:
            if self.path.is_dir() and any(not child.name.startswith(".store.json") for child in self.path.iterdir()):
                raise DataError(f"{path} holds other files: name an empty or a new folder")
            write_json(file, self._about)

    def shard(self, index: int) -> Path:
        """The file of a shard."""
        return self.path / f"regions-{index:05d}.arrow"

    def done(self, index: int) -> bool:
        """Whether a shard is written and whole."""
        return not isinstance(open_shard(self.shard(index), self._shapes, self.storage), str)

    def begun(self, index: int) -> Begun:
        """What of a shard was found before the run was stopped, and where the rest is kept until the shard is written."""
        return Begun(self.path, index, self._shapes)

    def done_ids(self) -> set[str]:
        """The images that need no more work: those in whole shards, and those in quarantine."""
        shards = (open_shard(file, self._shapes, self.storage) for file in sorted(self.path.glob(_SHARDS)))
        done = {image_id for shard in shards if not isinstance(shard, str) for image_id in shard.ids}
        parts = (file for file in self._parts() if self.shard(int(file.stem[-5:])).is_file())
        return done | set(read_reasons([self.path / "quarantine.jsonl", *parts]))

    def write_shard(self, index: int, rows: Sequence[ImageRegions]) -> None:
        """Write one shard atomically, and before it the quarantine of its images; a shard may be empty.

        Raises:
            DataError: an array has not the shape that the fingerprint tells, or holds a number that is not finite.
        """
        part = self.path / f".quarantine-{index:05d}.jsonl"
        # The part goes first and counts only once its shard is there, so a kill between the two loses nothing.
        if self._pending:
            write_bytes(part, as_lines(self._pending))
        else:
            part.unlink(missing_ok=True)
        write_bytes(self.shard(index), encode(rows, self._shapes, self.storage))
        self._pending = {}

    def quarantine(self, image_id: str, reason: str) -> None:
        """Set an image aside that cannot be used; it is recorded with the next shard that is written."""
        self._pending[image_id] = reason

    def finish(self) -> RegionStore:
        """Join the quarantine, list the shards with their rows in store.json, and open the store."""
        joined = self.path / "quarantine.jsonl"
        write_bytes(joined, as_lines(read_reasons([joined, *self._parts()]) | self._pending))
        self._pending = {}
        shards = {}
        for file in sorted(self.path.glob(_SHARDS)):
            shard = open_shard(file, self._shapes, self.storage)
            if isinstance(shard, str):
                raise DataError(f"{file}: {shard}; delete it and {_AGAIN}")
            shards[file.name] = len(shard.ids)
        write_json(self.path / "store.json", self._about | {"shards": shards})
        for part in self._parts():
            part.unlink()
        remove_begun(self.path)
        return RegionStore.open(self.path)

    def _parts(self) -> list[Path]:
        return sorted(self.path.glob(".quarantine-[0-9][0-9][0-9][0-9][0-9].jsonl"))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made: other processes that ask for it wait until it is let go, or this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_duplicates(store: Path) -> dict[str, str]:
    """Which image's regions are those of which other."""
    file = store / DUPLICATES
    found: dict[str, str] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return found


def _join(parts: list[I64]) -> I64:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _open_shards(
    path: Path, listed: dict[str, int] | None, shapes: Shapes, storage: Storage
) -> tuple[list[Shard], list[str]]:
    """The shards that can be read, in order, and a message for each that cannot."""
    names = sorted(listed or [file.name for file in path.glob(_SHARDS)])
    shards, problems = [], []
    if listed is None:
        problems.append(f"region store {path} is not finished: {_AGAIN}")
    for name in names:
        shard = open_shard(path / name, shapes, storage)
        if isinstance(shard, str):
            lost = f"its {listed[name]} rows are" if listed else "its rows are"
            problems.append(f"{path / name}: {shard}; {lost} left out; for them {_AGAIN}")
        else:
            shards.append(shard)
    return shards, problems
