"""Which rows make batch number i: a pure function of (seed, i), so that a run resumes at any batch without looking back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import ConfigError
from iconotext.core.seed import generator, permutation

_BUCKET = 64  # Batches whose rows are sorted by length together: more is more alike, less is more random.


@dataclass(frozen=True)
class BatchPlan:
    """The rows of one batch: their ``indices`` [B] and their ``positions`` [B] in the epoch, which key all random draws."""

    epoch: int
    indices: NDArray[np.int64]
    positions: NDArray[np.int64]


class LengthSampler:
    """Batches of rows of similar length, shuffled anew every epoch.

    An epoch permutes the rows, cuts them into buckets of up to 64 batches (at least four buckets an epoch where there are
    four batches), sorts each bucket by length, cuts the whole into batches, and permutes these. Every row comes exactly
    once an epoch. No batch is left over at the end: the rows are spread evenly, so with ``batch`` rows a batch has at most
    that many and at most one less than another one.

    With ``weights`` [N] in 0-1 an epoch has as many rows as these add up to, rounded down, and each row comes in that share
    of the epochs, evenly spread over them by lot.

    ``lengths`` [N] are the tokens of each row. ``unit`` "rows" makes ``batch`` the most rows of a batch, "tokens" the most
    tokens. With ``world`` processes each gets a contiguous slice of the global batch: joined in order of ``rank`` they are
    the batch that one process sees, so the same seed trains on the same batches with any number of processes.

    Raises:
        ConfigError: there are no rows, or a batch is too small for its longest row or for the number of processes.
    """

    def __init__(
        self,
        lengths: NDArray[np.integer],
        batch: int,
        seed: int,
        unit: Literal["rows", "tokens"] = "rows",
        rank: int = 0,
        world: int = 1,
        weights: NDArray[np.floating] | None = None,
    ) -> None:
        self._lengths = np.asarray(lengths, np.int64)
        self._batch, self._seed, self._unit, self._rank, self._world = batch, seed, unit, rank, world
        self._weights = None if weights is None else np.asarray(weights, np.float64)
        rows = self._rows = len(self._lengths) if self._weights is None else int(self._weights.sum())
        if rows == 0:
            raise ConfigError("there are no rows to make batches of")
        if unit == "rows":
            self.batches_per_epoch = -(-rows // max(1, batch))
            if batch < world or rows // self.batches_per_epoch < world:
                raise ConfigError(f"{rows} rows in batches of {batch} leave some of {world} processes without rows")
        else:
            longest = int(self._lengths.max())
            if batch < (2 * world + 1) * longest:
                least = (2 * world + 1) * longest
                raise ConfigError(f"batches of {batch} tokens are too small for rows of up to {longest}: take {least}")
            most = int(np.sort(self._lengths)[-rows:].sum())
            self.batches_per_epoch = max(1, -(-most // (batch - longest + 1)))
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)

    def __reduce__(self) -> tuple[type[LengthSampler], tuple[object, ...]]:
        asked = self._batch, self._seed, self._unit, self._rank, self._world, self._weights
        return LengthSampler, (self._lengths, *asked)

    def batch(self, index: int) -> BatchPlan:
        """Batch ``index`` of the run, counted over all epochs: this process's slice of it."""
        epoch, number = divmod(index, self.batches_per_epoch)
        order, begins, ends, positions = self._epoch(epoch)
        begin, rows = int(begins[number]), int(ends[number] - begins[number])
        low, high = (rows * part // self._world for part in (self._rank, self._rank + 1))
        first = int(positions[number])
        return BatchPlan(epoch, order[begin + low : begin + high], np.arange(first + low, first + high))

    def _make_epoch(self, epoch: int) -> tuple[NDArray[np.int64], ...]:
        """The rows sorted within buckets; where each batch begins and ends among them; its first position."""
        rows, batches = self._rows, self.batches_per_epoch
        order = self._drawn(epoch)
        buckets = -(-batches // min(_BUCKET, max(1, batches // 4)))
        bucket = np.arange(rows) * buckets // rows
        # Every other bucket runs from long to short, so that a batch across a border is of similar length as well.
        up_and_down = self._lengths[order] * np.where(bucket % 2, -1, 1)
        order = order[np.lexsort((up_and_down, bucket))]
        shuffled = permutation(batches, self._seed, "sampler batches", epoch)
        bounds = self._bounds(order)
        begins, ends = bounds[:-1][shuffled], bounds[1:][shuffled]
        return order, begins, ends, np.cumsum(ends - begins) - (ends - begins)

    def _drawn(self, epoch: int) -> NDArray[np.int64]:
        """The rows of an epoch, shuffled.

        Weighted rows lie one after the other on a line, each as long as its weight; those are taken on which a point of a
        comb falls that begins at random (systematic sampling, Madow and Madow, 1944).
        """
        order = permutation(len(self._lengths), self._seed, "sampler rows", epoch)
        if self._weights is None:
            return order
        order = order[self._weights[order] > 0]
        ends = np.cumsum(self._weights[order])
        ends *= self._rows / ends[-1]
        ends[-1] = self._rows  # whatever rounding has made of it
        points = np.floor(ends + generator(self._seed, "sampler comb", epoch).random())
        return order[np.diff(points, prepend=0.0) > 0]

    def _bounds(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the sorted rows are cut: the same number of rows, or about the same number of tokens, in each batch."""
        cuts = np.arange(self.batches_per_epoch + 1)
        if self._unit == "rows":
            return cuts * len(order) // self.batches_per_epoch
        tokens = np.cumsum(self._lengths[order])
        inner = np.searchsorted(tokens, cuts[1:-1] * tokens[-1] // self.batches_per_epoch, side="right")
        return np.concatenate([[0], inner, [len(order)]])
