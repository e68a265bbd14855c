"""``iconotext plan``: what an extraction will take, by a short trial of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from iconotext.core.errors import ConfigError, DataError
from iconotext.core.machine import available_cores, peak_memory
from iconotext.core.seed import permutation
from iconotext.data.store import StoreWriter
from iconotext.recipes.extract import SHARD, open_pictures, open_writer
from iconotext.recipes.extraction import Work
from iconotext.recipes.flags import PlanOptions

_COPIES = 4
"""How often a shard lies in memory when it is written: rows, columns, the file, and what is handed to the system."""
_BARE = 4096
"""Bytes of a file of the store beside its pictures' own."""
_NEIGHBOURS = 8
"""Pictures of the trial that stand together."""


@dataclass(frozen=True)
class Plan:
    """What a whole extraction takes; ``memory`` is the most that one process holds, ``seconds`` are those of all together."""

    pictures: int
    seconds: float
    disk: int
    memory: int
    speed: float
    refused: float


def run(options: PlanOptions) -> Plan:
    """Try, predict, and print.

    Raises:
        ConfigError: an option is out of range.
        DataError: there is no data set, or none of the trial's pictures can be used.
    """
    if options.pictures < 1 or options.processes < 1:
        raise ConfigError("plan: --pictures and --processes are at least 1")
    with tempfile.TemporaryDirectory() as folder:
        found = _try(options, Path(folder))
    hours, rest = divmod(round(found.seconds), 3600)
    Console(soft_wrap=True, highlight=False).print(
        f"{found.pictures:,} pictures at {found.speed:.1f} a second in {options.processes} process(es) of "
        f"{options.workers or available_cores()} threads\n"
        f"time    {hours} h {rest // 60} min {rest % 60} s\n"
        f"disk    {_size(found.disk)}\n"
        f"memory  {_size(found.memory)} a process\n"
        f"refused {found.refused:.1%} of the trial's pictures"
    )
    return found


def _try(options: PlanOptions, folder: Path) -> Plan:
    """Extract some pictures into stores that are thrown away, and time what every run does once and what it does a picture."""
    starting = _seconds(_start)
    begun = time.perf_counter()
    pictures, detector = open_pictures(options)
    ids = pictures.ids
    opening = time.perf_counter() - begun
    if not ids:
        raise DataError(f"data set {options.data} has no pictures")
    threads = options.workers or available_cores()
    drawn = [ids[place] for place in sample(len(ids), options.pictures)]

    def write(store: Path, some: list[str]) -> StoreWriter:
        writer = open_writer(replace(options, store=store), detector)
        # Batches are small enough that every thread has as many as another.
        batch = max(1, min(options.batch, len(some) // (4 * threads)))
        Work(pictures, detector, [some], {}).write(writer, [0], batch, threads, lambda _: None)
        return writer

    hashing = _seconds(lambda: pictures.duplicates(drawn, threads)) / len(drawn)
    warm = drawn[: 2 * threads]
    first = _seconds(
        lambda: write(folder / "first", warm)
    )  # The first pictures of a process take longer than all others.
    begun = time.perf_counter()
    writer = write(folder / "store", drawn)
    each = (time.perf_counter() - begun) / len(drawn)
    found = writer.finish()
    if not len(found):
        raise DataError(f"none of the {len(drawn)} pictures of the trial can be used: {_first_reason(found.path)}")
    own = sum(file.stat().st_size for file in found.path.glob("*.arrow")) / len(drawn)
    plain = int(found.counts.sum()) * found.region_bytes / len(drawn)
    once = starting + opening + max(0.0, first - each * len(warm)) + hashing * len(ids)
    return Plan(
        pictures=len(ids),
        seconds=once + each * len(ids) / options.processes,
        disk=round(own * len(ids)) + _BARE * -(-len(ids) // SHARD),
        memory=peak_memory() + round(_COPIES * plain * max(0, min(SHARD, len(ids)) - len(drawn))),
        speed=options.processes / each,
        refused=1 - len(found) / len(drawn),
    )


def sample(count: int, wanted: int) -> list[int]:
    """Places of some of ``count`` pictures, in order: runs of neighbours, which lie together on the disk, drawn from all.

    Pictures that are drawn one by one would each have its neighbours read as well.
    """
    runs = permutation(-(-count // _NEIGHBOURS), "plan").tolist()
    places = [place for run in runs for place in range(run * _NEIGHBOURS, min(count, (run + 1) * _NEIGHBOURS))]
    return sorted(places[:wanted])


def _start() -> None:
    """What a process does before it begins: most of it is the import of PyTorch."""
    subprocess.run([sys.executable, "-c", "import iconotext.cli.main, iconotext.recipes.extract"], check=True)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _size(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _first_reason(store: Path) -> str:
    lines = (store / "quarantine.jsonl").read_text("utf-8").splitlines()
    return lines[0] if lines else "no reason was given"
