"""Minimal pairs: one sentence true, its twin false, neither to be told from the words."""

from __future__ import annotations

from collections import Counter

import pytest

from iconotext.world.language.captions import Caption, captions
from iconotext.world.language.lot import Lot
from iconotext.world.language.minimal_pairs import minimal_pairs
from iconotext.world.language.truth import Picture, Repertoire


@pytest.fixture(scope="module")
def found(pictures: list[Picture], repertoire: Repertoire) -> list[list[tuple[str, Caption, Caption]]]:
    pairs = []
    for i, picture in enumerate(pictures):
        said = captions(picture, ("en", "zh"), Lot("captions", i))
        pairs.append(list(minimal_pairs(picture, said, repertoire, ("en", "zh"), Lot("pairs", i))))
    return pairs


def test_one_is_true_and_one_is_false(found: list[list[tuple[str, Caption, Caption]]], truths: list) -> None:
    for truth, mine in zip(truths, found):
        for _, true, false in mine:
            assert truth.holds(true.claim), true.text
            assert not truth.holds(false.claim), false.text
            assert (true.language, true.kind, true.style) == (false.language, false.kind, false.style)


def test_each_kind_of_swap_at_most_once(found: list[list[tuple[str, Caption, Caption]]]) -> None:
    kinds = Counter(what for mine in found for what, _, _ in mine)
    assert set(kinds) == {"colour", "object", "count", "left_right"}
    assert min(kinds.values()) > 0.4 * len(found)
    assert all(len({what for what, _, _ in mine}) == len(mine) for mine in found)


@pytest.mark.parametrize("what", ["colour", "count", "left_right"])
def test_the_words_alone_tell_little(what: str, found: list[list[tuple[str, Caption, Caption]]]) -> None:
    """How often the word is right that is true more often, when only the two words that differ are known."""
    pairs: list[tuple[object, object]] = []
    for kind, true, false in (pair for mine in found for pair in mine):
        if kind == what and what == "left_right":
            pairs.append((true.claim.relation, false.claim.relation))
        elif kind == what:
            (changed,) = ((a, b) for a, b in zip(true.claim.phrases, false.claim.phrases) if a != b)
            pairs.append((getattr(changed[0], what), getattr(changed[1], what)))
    trust = Counter(true for true, _ in pairs)
    trust.subtract(false for _, false in pairs)
    right = sum((trust[true] > trust[false]) + 0.5 * (trust[true] == trust[false]) for true, false in pairs)
    assert right / len(pairs) < 0.62
