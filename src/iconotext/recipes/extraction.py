"""The work of an extraction: which pictures make which shard, and how a shard comes of them."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float32

from iconotext.core.errors import DataError
from iconotext.core.files import write_json
from iconotext.data.pictures import as_array, room_for
from iconotext.data.records import DataSet
from iconotext.data.store import DUPLICATES, ImageRegions, StoreWriter, read_duplicates
from iconotext.regions.detections import Detections, Detector
from iconotext.regions.resize import Fitted

Boxes = Float32[np.ndarray, "R 4"]
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a data set, with boxes where they are given."""

    data: DataSet
    given: Mapping[str, Boxes] | None

    @property
    def ids(self) -> list[str]:
        """All ids, in the order of the data set."""
        return [image_id for split in self.data.splits for image_id in self.data.image_ids(split)]

    def duplicates(self, ids: Sequence[str], threads: int) -> dict[str, str]:
        """Each of these pictures whose file (and boxes) equal those of one before it, with that one."""
        first: dict[bytes, str] = {}
        keys = _ahead(self._key, ids, threads)
        return {i: of for i, key in zip(ids, keys) if (of := first.setdefault(key, i)) != i}

    def _key(self, image_id: str) -> bytes:
        digest = hashlib.sha256(self.data.image_bytes(image_id))
        if self.given is not None:
            digest.update(self.given[image_id].tobytes() if image_id in self.given else b"none")
        return digest.digest()

    def regions(self, detector: Detector, ids: Sequence[str]) -> tuple[list[ImageRegions], dict[str, str]]:
        """The regions of some pictures, and the reason for each picture that cannot be used."""
        fitted: dict[str, Fitted] = {}
        refused: dict[str, str] = {}
        for image_id in ids:
            try:
                if self.given is not None and image_id not in self.given:
                    raise DataError("the data set has no objects for this picture")
                boxes = None if self.given is None else self.given[image_id]
                with room_for(self.data.image_bytes(image_id)):
                    fitted[image_id] = detector.fit(as_array(self.data.image(image_id)), boxes)
            except DataError as error:
                refused[image_id] = str(error)
        try:
            found = dict(zip(fitted, detector.detect(list(fitted.values()))))
        except DataError:
            found = {}
            for image_id, picture in fitted.items():
                try:
                    found[image_id] = detector.detect([picture])[0]
                except DataError as error:
                    refused[image_id] = str(error)
        return [_row(image_id, fitted[image_id].size, regions) for image_id, regions in found.items()], refused


@dataclass(frozen=True)
class Work:
    """Pictures cut into shards: shard i is a slice of the pictures, so it is known without the ones before it.

    ``twins`` are the duplicates of a picture, which share its row.
    """

    pictures: Pictures
    detector: Detector
    shards: Sequence[Sequence[str]]
    twins: Mapping[str, Sequence[str]]

    def count(self, index: int) -> int:
        """Pictures of a shard, duplicates included."""
        return self._pictures(self.shards[index])

    def write(
        self, writer: StoreWriter, indices: Sequence[int], batch: int, threads: int, advance: Callable[[int], None]
    ) -> None:
        """Write some shards, or what is left of them; ``advance`` is told how many pictures are done."""
        begun = {index: writer.begun(index) for index in indices}
        batches = {index: cut(there.left(self.shards[index]), batch) for index, there in begun.items()}
        detect = partial(self.pictures.regions, self.detector)
        work = _ahead(detect, chain.from_iterable(batches.values()), threads)
        with one_thread_each(), closing(work):
            for index, there in begun.items():
                advance(self._pictures([*there.rows, *there.refused]))
                for found, refused in islice(work, len(batches[index])):
                    there.add(found, refused)
                    advance(self._pictures([*(row.image_id for row in found), *refused]))
                for image_id, reason in there.refused.items():
                    for name in (image_id, *self.twins.get(image_id, ())):
                        writer.quarantine(name, reason)
                writer.write_shard(index, [there.rows[i] for i in self.shards[index] if i in there.rows])
                there.remove()

    def _pictures(self, ids: Sequence[str]) -> int:
        return sum(1 + len(self.twins.get(image_id, ())) for image_id in ids)


def plan_work(store: Path, pictures: Pictures, detector: Detector, shard: int, threads: int) -> Work:
    """The work on a store, to be called in ``locked``: notes beside it which data it is made of, and which pictures are equal.

    Raises:
        DataError: the store holds the regions of other data.
    """
    data, source = pictures.data, store / "source.json"
    mine = {"name": data.info["name"], "fingerprint": data.fingerprint}
    if not source.is_file():
        duplicates = pictures.duplicates(pictures.ids, threads)
        if duplicates:
            write_json(store / DUPLICATES, duplicates)
        write_json(source, mine)
    elif (there := json.loads(source.read_text("utf-8"))) != mine:
        raise DataError(
            f"region store {store} holds the regions of other data:\n  there: {there}\n  asked: {mine}\n"
            "Delete it or name another folder."
        )
    duplicates = read_duplicates(store)
    twins: dict[str, list[str]] = {}
    for twin, of in duplicates.items():
        twins.setdefault(of, []).append(twin)
    return Work(pictures, detector, cut([i for i in pictures.ids if i not in duplicates], shard), twins)


def given_boxes(data: DataSet) -> dict[str, Boxes]:
    """The true boxes of every picture that has objects.

    Raises:
        DataError: the data set has no table of them.
    """
    if "objects" not in data.tables:
        raise DataError(
            f"data set {data.path} has no table of objects, so no boxes are given: take a detector that finds some"
        )
    return {
        row["image_id"]: np.array(row["boxes"], dtype=np.float32).reshape(-1, 4)
        for split in data.splits
        for row in data.table("objects", split, ["image_id", "boxes"]).to_pylist()
    }


def cut(items: Sequence[A], size: int) -> list[Sequence[A]]:
    """The items in runs of this size."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def _row(image_id: str, size: tuple[int, int], regions: Detections) -> ImageRegions:
    return ImageRegions(
        image_id=image_id,
        size=size,
        boxes=regions.boxes,
        scores=regions.scores,
        features=regions.features.astype(np.float16),
        class_probs=regions.class_probs.astype(np.float16),
        attributes=regions.attributes,
        attribute_scores=regions.attribute_scores,
    )


def _ahead(function: Callable[[A], B], items: Iterable[A], workers: int) -> Generator[B, None, None]:
    """``map`` by threads, in order, never more than two items a thread ahead; what waits is dropped when it is closed."""
    rest = iter(items)
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = deque(pool.submit(function, item) for item in islice(rest, 2 * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(rest, 1))
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Threads work on pictures side by side, so none splits its own products: that is slower and waits for busy cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
