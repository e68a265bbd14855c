"""The world as a data set: shards of 250 scenes, each a pure function of the plan, written by several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial
from multiprocessing.connection import wait
from typing import Any

import pyarrow as pa

from iconotext.core.errors import IconotextError
from iconotext.core.files import write_json
from iconotext.data.records import DataSetWriter
from iconotext.data.tables import write_table
from iconotext.world.draw import draw, encode
from iconotext.world.language.tables import write_language
from iconotext.world.scene import COLOURS, Combination, Scene, held_out_combinations, load_kinds, sample_scene
from iconotext.world.sprites import Sprites

UNSEEN = "test_unseen"


@dataclass(frozen=True)
class Size:
    """How many kinds of things a world has, how many pictures each split, and how many of them go into a shard."""

    kinds: int
    pictures: Mapping[str, int]
    shard: int = 250


WORLD_SIZES = {
    "tiny": Size(24, {"train": 200, "validation": 50, "test": 50}),
    "small": Size(100, {"train": 3000, "validation": 250, "test": 500, UNSEEN: 250}),
    "base": Size(258, {"train": 20_000, "validation": 1000, "test": 2000, UNSEEN: 1000}),
}


@dataclass(frozen=True)
class Plan:
    """All that decides the content of a world."""

    size: Size
    seed: int
    languages: tuple[str, ...]
    noise: float

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """The kinds that occur, spread evenly over the class list."""
        every, wanted = len(load_kinds()), self.size.kinds
        return tuple(i * every // wanted for i in range(wanted))

    @cached_property
    def held_out(self) -> frozenset[Combination]:
        """The kinds in a colour that only ``test_unseen`` shows; none where there is no such split."""
        return held_out_combinations(self.seed, self.kinds) if UNSEEN in self.size.pictures else frozenset()

    def banned(self, split: str) -> frozenset[Combination]:
        """The kinds in a colour that a split does not show."""
        return frozenset() if split == UNSEEN else self.held_out

    @property
    def shards(self) -> tuple[tuple[str, int], ...]:
        """The split and number of every shard."""
        size = self.size.shard
        return tuple((split, i) for split, count in self.size.pictures.items() for i in range(-(-count // size)))

    def scenes(self, split: str, shard: int) -> list[Scene]:
        """The scenes of one shard."""
        rows = range(shard * self.size.shard, min((shard + 1) * self.size.shard, self.size.pictures[split]))
        banned, wanted = self.banned(split), self.held_out if split == UNSEEN else ()
        return [sample_scene(self.seed, split, row, self.kinds, banned=banned, wanted=wanted) for row in rows]


@cache
def _sprites() -> Sprites:
    return Sprites()


def write_shard(writer: DataSetWriter, plan: Plan, place: tuple[str, int]) -> int:
    """Write all tables of one shard, the pictures last, and return how many it has; a finished shard is left alone."""
    split, index = place
    scenes = plan.scenes(split, index)
    if not writer.done("images", split, index):
        writer.write("objects", split, index, objects_columns(scenes))
        for table, rows in language_tables(plan, scenes, split, index).items():
            write_table(writer.shard(table, split, index), rows)
        writer.write("images", split, index, _images_columns(scenes, plan.seed))
    return len(scenes)


def language_tables(plan: Plan, scenes: Sequence[Scene], split: str, index: int) -> dict[str, pa.Table]:
    """The tables of words of one shard."""
    return write_language(
        scenes, split, plan.seed, plan.languages, plan.noise, plan.kinds, index, banned=plan.banned(split)
    )


def objects_columns(scenes: Sequence[Scene]) -> dict[str, list[Any]]:
    """The truth of each picture; a thing in its own colours has the colour -1."""
    return {
        "image_id": [scene.image_id for scene in scenes],
        "boxes": [[list(thing.box) for thing in scene.things] for scene in scenes],
        "classes": [[thing.kind for thing in scene.things] for scene in scenes],
        "colours": [[COLOURS.index(t.colour) if t.colour else -1 for t in scene.things] for scene in scenes],
        "sizes": [[thing.size for thing in scene.things] for scene in scenes],
    }


def _images_columns(scenes: Sequence[Scene], seed: int) -> dict[str, list[Any]]:
    """The drawn pictures."""
    pictures = (encode(draw(scene, seed, _sprites())) for scene in scenes)
    return {
        "image_id": [scene.image_id for scene in scenes],
        "image": [{"bytes": p, "path": f"{scene.image_id}.jpg"} for p, scene in zip(pictures, scenes)],
        "width": [scene.width for scene in scenes],
        "height": [scene.height for scene in scenes],
    }


def write_world(writer: DataSetWriter, plan: Plan, workers: int) -> Iterator[tuple[str, int]]:
    """Render the drawings that are not cached yet, then write classes.json and the shards that are not there yet.

    Yields ("drawings", 1) for each kind and ("pictures", n) for each shard as they are done, and 0 when each begins. The
    files are the same for any number of workers.
    """
    names = {"classes": [kind.name for kind in load_kinds()], "colours": list(COLOURS)}
    write_json(writer.path / "classes.json", names)
    yield "drawings", 0
    with _processes(workers) as apply:
        for _ in apply(prepare_kind, plan.kinds, chunksize=8):
            yield "drawings", 1
        yield "pictures", 0
        for count in apply(partial(write_shard, writer, plan), plan.shards, chunksize=1):
            yield "pictures", count


def prepare_kind(kind: int) -> None:
    """Render one kind into the cache unless it is there."""
    _sprites().prepare(kind)


@contextmanager
def _processes(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """``map(function, items, chunksize=n)`` that uses this many processes; with one, this one."""
    if workers == 1:
        yield lambda function, items, chunksize: map(function, items)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)
    try:
        yield pool.map
    except BrokenProcessPool as error:
        raise IconotextError(
            "A process that draws the world was ended from outside, perhaps for want of memory. Give the same command "
            "again, with --workers 1: it goes on where it stopped."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is gone, so that nobody writes beside a second run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
