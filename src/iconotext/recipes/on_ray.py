"""Shards made by the workers of a Ray cluster, on this machine or on many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iconotext.regions.pool import extra


@dataclass(frozen=True)
class Share:
    """How many workers there are (0: as many as have room), and the cores of each; each has a GPU if there is one, or none."""

    workers: int
    cores: int
    gpu: bool


def write_on_ray(
    worker: Callable[..., Callable[[int], int]],
    arguments: tuple[Any, ...],
    shards: Sequence[int],
    share: Share,
    advance: Callable[[int], None],
) -> None:
    """Have every shard written by some worker; one that is lost with its machine is written by another.

    Args:
        worker: makes, of the arguments, what writes a shard and tells how many pictures it has; one a process.
        advance: is told how many pictures are done.

    Raises:
        MissingPiece: Ray is not installed.
    """
    ray = extra("ray", "ray")
    ray_data = extra("ray.data", "ray")
    if not shards:
        return
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="WARNING")
    context = ray_data.DataContext.get_current()
    context.enable_progress_bars = False
    there = ray.cluster_resources()
    gpus = int(share.gpu and there.get("GPU", 0) > 0)
    room = there["GPU"] if gpus else there["CPU"] // share.cores
    many = min(len(shards), share.workers or max(1, int(room)))

    class Worker:
        """What Ray asks for: a batch of rows in, a batch of rows out."""

        def __init__(self) -> None:
            self._write = worker(*arguments)

        def __call__(self, batch: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
            return {"pictures": np.array([self._write(int(index)) for index in batch["shard"]])}

    rows = ray_data.from_items([{"shard": index} for index in shards], override_num_blocks=len(shards))
    done = rows.map_batches(Worker, batch_size=1, concurrency=many, num_cpus=share.cores, num_gpus=gpus)
    for row in done.iter_rows():
        advance(int(row["pictures"]))
