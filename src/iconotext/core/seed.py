"""Random numbers that depend on (seed, epoch, position) and on nothing else.

A draw is a hash of its coordinates (SplitMix64; Steele, Lea and Flood, OOPSLA 2014), so it is the same in any batch, on
any worker, in any number of processes, and after any restart. No generator has a state that could be lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MUL1 = np.uint64(0xBF58476D1CE4E5B9)
_MUL2 = np.uint64(0x94D049BB133111EB)


def scramble(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The SplitMix64 output function, elementwise."""
    with np.errstate(over="ignore"):
        x = x + _STEP
        x = (x ^ (x >> np.uint64(30))) * _MUL1
        x = (x ^ (x >> np.uint64(27))) * _MUL2
        return x ^ (x >> np.uint64(31))


def derive(*parts: int | str) -> int:
    """One 64-bit key from any mixture of numbers and names, stable over runs and machines."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(*parts: int | str) -> np.random.Generator:
    """A NumPy generator for one item, keyed by its coordinates, such as ``generator(seed, "scene", split, index)``."""
    return np.random.Generator(np.random.Philox(key=derive(*parts)))


def uniform(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Numbers in [0, 1) from hashed keys."""
    return (scramble(keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(n: int, *parts: int | str) -> NDArray[np.int64]:
    """A shuffled ``range(n)`` that depends on the parts only."""
    return generator(*parts).permutation(n).astype(np.int64)


@dataclass(frozen=True)
class Draw:
    """The random numbers of one batch: every row has its own key, whatever batch it is in.

    ``positions`` [B] are the rows' global positions in the epoch.
    """

    seed: int
    epoch: int
    positions: NDArray[np.int64]

    def keys(self, purpose: str) -> NDArray[np.uint64]:
        """One key a row [B]."""
        base = np.uint64(derive(self.seed, self.epoch, purpose))
        return scramble(self.positions.astype(np.uint64) ^ base)

    def rows(self, purpose: str) -> Float[Tensor, "B"]:
        """One number in [0, 1) a row."""
        return torch.from_numpy(uniform(self.keys(purpose)))

    def tokens(self, purpose: str, offsets: Int[Tensor, "B1"]) -> Float[Tensor, "N"]:
        """One number in [0, 1) for each token of rows packed one after the other."""
        starts = offsets.numpy()
        lengths = np.diff(starts)
        within = np.arange(starts[-1], dtype=np.int64) - np.repeat(starts[:-1], lengths)
        keys = np.repeat(self.keys(purpose), lengths)
        return torch.from_numpy(uniform(keys ^ scramble(within.astype(np.uint64))))
