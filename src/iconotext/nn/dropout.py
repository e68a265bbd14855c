"""Dropout whose random numbers cost almost nothing on a CPU.

On a CPU the random numbers of ordinary dropout took more than a tenth of a base model's step. Here the kept-or-dropped
factors are windows, at random places, into a pool of them that is drawn anew whenever torch is seeded (the train loop
seeds it at every step). The pool and the places depend on the seed and the order of calls only, so a resumed run repeats
them. The departure: two windows of one step may overlap, shifted against each other; each factor alone is Bernoulli.
On other devices, and under torch.compile, this is torch's own dropout.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_SLACK = 1 << 16


class _Pools:
    """The pools of the current seed, by (size class, rate, dtype)."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.pools: dict[tuple[int, float, torch.dtype], Tensor] = {}

    def get(self, numel: int, rate: float, dtype: torch.dtype) -> Tensor:
        seed = torch.initial_seed()
        if seed != self.seed:
            self.seed, self.pools = seed, {}
        size = 1 << max(numel - 1, 1).bit_length()
        key = (size, rate, dtype)
        if key not in self.pools:
            source = torch.Generator().manual_seed((seed ^ size) & 0x7FFFFFFFFFFFFFFF)
            kept = torch.randint(0, 256, (size + _SLACK,), dtype=torch.uint8, generator=source) >= round(rate * 256)
            self.pools[key] = kept.to(dtype).mul_(1.0 / (1.0 - round(rate * 256) / 256))
        return self.pools[key]


_POOLS = _Pools()


class _Window(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factors: Tensor) -> Tensor:
        ctx.factors = factors
        return x * factors

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.factors, None


class Dropout(nn.Module):
    """Zeroes each number with probability ``rate`` (in steps of 1/256 on a CPU) and scales the rest up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0 or x.numel() == 0:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return nn.functional.dropout(x, self.rate)
        pool = _POOLS.get(x.numel(), self.rate, x.dtype)
        at = int(torch.randint(0, _SLACK, ()))
        return _Window.apply(x, pool[at : at + x.numel()].view(x.shape))  # type: ignore[no-any-return]
