"""Processes: one alone, or several that torchrun started, through the same code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

BUCKET = 8 * 2**20
"""Numbers in one exchange of gradients (32 MB in fp32): long enough for full bandwidth, short enough to cost no
memory.
"""


@dataclass(frozen=True)
class World:
    """This process among all; alone, every exchange is the identity."""

    rank: int
    size: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this process writes the files and talks."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier()

    def add(self, numbers: Sequence[float]) -> list[float]:
        """The sums over all processes of some numbers on the host, in float64."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(total)
        return list(total.tolist())

    def from_main(self, text: str) -> str:
        """What the main process says, on every process."""
        if self.size == 1:
            return text
        said = [text]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    def collect(self, texts: list[str]) -> list[str]:
        """The texts of all processes, in the order of ranks."""
        if self.size == 1:
            return texts
        gathered: list[list[str]] = [[] for _ in range(self.size)]
        dist.all_gather_object(gathered, texts)
        return [text for part in gathered for text in part]

    def align(self, model: nn.Module) -> None:
        """Give every process the parameters and buffers of the main one."""
        if self.size > 1:
            for tensor in [*model.parameters(), *model.buffers()]:
                dist.broadcast(tensor.detach(), src=0)

    def add_gradients(self, parameters: list[nn.Parameter], extra: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Add up the gradients over all processes, in place, and ``extra`` with them, which is returned.

        This stands where ``DistributedDataParallel`` is the usual choice, because objectives leave parameters unused
        in some steps, other ones on each process, and a step adds up micro-batches with counts of their own. One sum
        over flat buckets after the last micro-batch is then exact and short: a gradient that a process lacks
        contributes zeros, one that all lack stays None, no hook has to guess what will be used, and no mean over
        processes has to be undone. It gives up the overlap of exchange and backward pass, which accumulation makes
        small.
        """
        if self.size == 1:
            return extra
        used = torch.tensor([p.grad is not None for p in parameters], dtype=extra.dtype, device=extra.device)
        tail = torch.cat([extra, used])
        works = [dist.all_reduce(tail, async_op=True)]
        for bucket in _buckets(parameters):
            flat = torch.cat([torch.zeros_like(p).view(-1) if p.grad is None else p.grad.reshape(-1) for p in bucket])
            for p, part in zip(bucket, torch.split(flat, [p.numel() for p in bucket])):
                p.grad = part.view_as(p)
            works.append(dist.all_reduce(flat, async_op=True))
        for work in works:
            work.wait()
        for p, users in zip(parameters, tail[len(extra) :].tolist()):
            if users == 0:
                p.grad = None
        return tail[: len(extra)]


def _buckets(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    for p in parameters:
        if bucket and (sum(q.numel() for q in bucket) + p.numel() > BUCKET or p.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(p)
    if bucket:
        yield bucket


def device() -> torch.device:
    """The device of this process: its own GPU (torchrun's LOCAL_RANK), else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def world() -> World:
    """The world that this process is in now."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size(), device())
    return World(0, 1, device())


@contextmanager
def processes() -> Iterator[World]:
    """Join the processes that torchrun started, for the length of a ``with``; without torchrun, be alone.

    Tensors on the host go through gloo, tensors on a GPU through NCCL.
    """
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield world()
        return
    here = device()
    if here.type == "cuda":
        torch.cuda.set_device(here)
    dist.init_process_group("cpu:gloo,cuda:nccl" if here.type == "cuda" else "gloo")
    try:
        yield world()
    finally:
        dist.destroy_process_group()
