"""Lots: the same for the same coordinates, evenly spread."""

from __future__ import annotations

from collections import Counter

from iconotext.world.language.lot import Lot


def test_depends_on_the_coordinates_only() -> None:
    first, again, other = (Lot(1, "x", part) for part in ("a", "a", "b"))
    numbers = [first.unit() for _ in range(200)]
    assert numbers == [again.unit() for _ in range(200)]
    assert numbers != [other.unit() for _ in range(200)]
    assert len(set(numbers)) == 200


def test_even() -> None:
    lot = Lot(2)
    picked = Counter(lot.pick("abcd") for _ in range(4000))
    assert all(900 < picked[letter] < 1100 for letter in "abcd")
    assert 0.25 < sum(lot.chance(0.3) for _ in range(2000)) / 2000 < 0.35
    orders = Counter("".join(lot.order("abc")) for _ in range(3000))
    assert len(orders) == 6
    assert all(400 < count < 600 for count in orders.values())
