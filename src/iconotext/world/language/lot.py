"""Random numbers for the texts of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from iconotext.core.seed import generator

T = TypeVar("T")

_BLOCK = 64


class Lot:
    """A sequence of draws that depends on its coordinates only, such as ``Lot(seed, "captions", split, image_id)``."""

    __slots__ = ("_generator", "_numbers")

    def __init__(self, *parts: int | str) -> None:
        self._generator = generator(*parts)
        self._numbers: list[float] = []

    def unit(self) -> float:
        """A number in [0, 1)."""
        if not self._numbers:
            # One draw of many numbers: NumPy takes as long for one.
            self._numbers = self._generator.random(_BLOCK).tolist()
        return self._numbers.pop()

    def below(self, n: int) -> int:
        """A whole number from 0 to n-1."""
        return int(self.unit() * n)

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.unit() < share

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[int(self.unit() * len(items))]

    def order(self, items: Sequence[T]) -> list[T]:
        """The items in random order."""
        shuffled = list(items)
        for last in range(len(shuffled) - 1, 0, -1):
            other = int(self.unit() * (last + 1))
            shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
        return shuffled
