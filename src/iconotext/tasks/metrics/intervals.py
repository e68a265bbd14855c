"""How sure a figure is: 95 % intervals over the things that were drawn independently.

Five captions of one picture, or ten questions on it, are not ten independent trials: the picture is the unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iconotext.core.seed import generator

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

DRAWS = 1000
"""Resamples of a bootstrap."""


@dataclass(frozen=True)
class Figure:
    """A mean over ``n`` cases with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float
    n: int


def wilson(hits: int | float, n: int) -> tuple[float, float]:
    """Wilson's interval of a proportion of ``n`` independent trials (Wilson, 1927); (0, 1) of none."""
    if n == 0:
        return 0.0, 1.0
    share, extra = hits / n, Z * Z / n
    middle = (share + extra / 2) / (1 + extra)
    half = Z / (1 + extra) * math.sqrt(share * (1 - share) / n + extra / (4 * n))
    # At the ends the bounds are exact; rounding must not leave the figure outside its own interval.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


@dataclass(frozen=True)
class Difference:
    """What a ``second`` model has more of a figure than a ``first`` one on the same ``n`` cases, with its 95 % interval.

    ``p`` is the chance of a difference at least as large, either way, if there were none.
    """

    name: str
    first: float
    second: float
    value: float
    low: float
    high: float
    p: float
    n: int


def resampled(
    statistic: Callable[[NDArray[np.int64]], ArrayLike], units: int, seed: int, name: str
) -> NDArray[np.float64]:
    """A statistic of units drawn with replacement [DRAWS, ...] (Efron, 1979).

    ``statistic`` takes the numbers of the drawn units; the draws depend on ``seed`` and ``name`` only.
    """
    random = generator(seed, "bootstrap", name)
    return np.array([statistic(random.integers(units, size=units)) for _ in range(DRAWS)], np.float64)


def percentiles(
    statistic: Callable[[NDArray[np.int64]], ArrayLike], units: int, seed: int, name: str
) -> NDArray[np.float64]:
    """The 2.5 and 97.5 % points [2, ...] of a statistic, as ``resampled`` draws it."""
    return np.percentile(resampled(statistic, units, seed, name), [2.5, 97.5], axis=0)


def bootstrap(sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int, name: str) -> tuple[float, float]:
    """The percentile interval of ``sums / counts``, which [U] are of each unit."""
    low, high = percentiles(lambda chosen: sums[chosen].sum() / counts[chosen].sum(), len(sums), seed, name)
    return float(low), float(high)


def figure(name: str, values: NDArray[np.floating], units: NDArray[Any] | None = None, seed: int = 0) -> Figure:
    """The mean of ``values`` [N] in 0-1 with its interval over ``units`` [N] (each value its own unit when None).

    Bootstrap over units. Wilson's interval where each unit has one value that is 0 or 1, and, with one trial a unit, where
    all values are the same 0 or 1, of which a bootstrap would be certain. No values at all give 0 with (0, 1).
    """
    values = np.asarray(values, np.float64)
    n = len(values)
    if n == 0:
        return Figure(name, 0.0, 0.0, 1.0, 0)
    mean = float(values.mean())
    unit = np.arange(n) if units is None else np.unique(units, return_inverse=True)[1]
    counts = np.bincount(unit).astype(np.float64)
    plain = bool(np.isin(values, (0.0, 1.0)).all())
    if plain and (len(counts) == n or mean in (0.0, 1.0)):
        low, high = wilson(mean * len(counts), len(counts))
    else:
        low, high = bootstrap(np.bincount(unit, values).astype(np.float64), counts, seed, name)
    return Figure(name, mean, low, high, n)


def paired(
    name: str, first: NDArray[np.floating], second: NDArray[np.floating], units: NDArray[Any], seed: int = 0
) -> Difference:
    """The mean of ``second`` minus ``first`` [N], values of two models on the same cases; bootstrap over ``units`` [N].

    p is twice the smaller share of resamples on one side of 0, with one resample more on that side, so that it is never 0
    (Davison and Hinkley, 1997, section 4.4). No cases at all give 0 with (-1, 1) and 1.
    """
    n = len(first)
    if n == 0:
        return Difference(name, 0.0, 0.0, 0.0, -1.0, 1.0, 1.0, 0)
    differences = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    unit = np.unique(units, return_inverse=True)[1]
    sums, counts = np.bincount(unit, differences), np.bincount(unit)
    drawn = resampled(lambda chosen: sums[chosen].sum() / counts[chosen].sum(), len(sums), seed, name)
    low, high = np.percentile(drawn, [2.5, 97.5])
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (DRAWS + 1))
    means = float(np.mean(first)), float(np.mean(second))
    return Difference(name, *means, float(differences.mean()), float(low), float(high), p, n)
