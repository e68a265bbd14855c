"""``iconotext plan``: what an extraction will take, by a short trial of it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from iconotext.core.errors import ConfigError, DataError
from iconotext.core.machine import available_cores, peak_memory
from iconotext.core.seed import permutation
from iconotext.data.store import RegionStore
from iconotext.recipes.extract import SHARD, open_pictures, open_writer
from iconotext.recipes.extraction import Work
from iconotext.recipes.flags import PlanOptions

_COPIES = 4
"""How often a shard lies in memory when it is written: rows, columns, the file, and what is handed to the system."""
_BARE = 4096
"""Bytes of a file of the store beside its pictures' own."""


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
        found = _try(options, Path(folder) / "store")
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


def _try(options: PlanOptions, store: Path) -> Plan:
    """Extract some pictures into a store that is thrown away."""
    begun = time.perf_counter()
    pictures, detector = open_pictures(options)
    opening = time.perf_counter() - begun
    ids = pictures.ids
    if not ids:
        raise DataError(f"data set {options.data} has no pictures")
    threads = options.workers or available_cores()
    drawn = [ids[place] for place in sorted(permutation(len(ids), "plan")[: options.pictures].tolist())]
    warm = drawn[: min(len(drawn), 2 * threads)]
    pictures.regions(detector, warm)  # The first pictures of a process take longer than all others.
    trial, writer = Work(pictures, detector, [drawn], {}), open_writer(replace(options, store=store), detector)
    begun = time.perf_counter()
    # The trial's batches are small enough that every thread has as many as another.
    trial.write(writer, [0], max(1, min(options.batch, len(drawn) // (4 * threads))), threads, lambda _: None)
    seconds = time.perf_counter() - begun
    found: RegionStore = writer.finish()
    if not len(found):
        raise DataError(f"none of the {len(drawn)} pictures of the trial can be used: {_first_reason(store)}")
    own = sum(file.stat().st_size for file in store.glob("*.arrow")) / len(drawn)
    plain = int(found.counts.sum()) * found.region_bytes / len(drawn)
    share = min(SHARD, len(ids))
    memory = peak_memory() + round(_COPIES * plain * max(0, share - len(drawn)))
    speed = len(drawn) / seconds * options.processes
    disk = round(own * len(ids)) + _BARE * -(-len(ids) // SHARD)
    refused = 1 - len(found) / len(drawn)
    return Plan(len(ids), opening + len(ids) / speed, disk, memory, speed, refused)


def _size(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _first_reason(store: Path) -> str:
    lines = (store / "quarantine.jsonl").read_text("utf-8").splitlines()
    return lines[0] if lines else "no reason was given"
