"""Swapped phrases are as likely, word for word, as true ones."""

from __future__ import annotations

from collections import Counter

from iconotext.world.language.lot import Lot
from iconotext.world.language.swaps import swap_phrase
from iconotext.world.language.truth import Picture, Repertoire
from iconotext.world.scene import Scene


def test_counts_flow_both_ways_alike(pictures: list[Picture], repertoire: Repertoire) -> None:
    flow: Counter[tuple[int, int]] = Counter()
    for i, picture in enumerate(pictures):
        for group in picture.groups:
            for trial in range(12):
                swapped = swap_phrase(group, "count", 1, picture, repertoire, Lot(i, trial, group.kind, group.colour))
                if swapped:
                    flow[group.count, swapped.count] += 1
    # Knowing the counts of both, but not which is true: how often the better guess is right.
    best = sum(max(flow[n, m], flow[m, n]) for n in range(1, 6) for m in range(n + 1, 6))
    assert best / flow.total() < 0.6
    assert flow.total() > 500


def test_colours_are_drawn_evenly_among_those_not_shown(pictures: list[Picture], repertoire: Repertoire) -> None:
    drawn: Counter[str] = Counter()
    for i, picture in enumerate(pictures):
        for group in picture.groups:
            swapped = swap_phrase(group, "colour", 1, picture, repertoire, Lot("colour", i, group.kind))
            assert (swapped is None) == (not group.colour)
            if swapped:
                assert not picture.count(group.kind, swapped.colour)
                assert swapped.colour in repertoire.colours(group.kind)
                drawn[swapped.colour] += 1
    assert len(drawn) == 8
    assert max(drawn.values()) < 0.2 * drawn.total()


def test_there_is_no_other_object_in_a_world_of_one_kind(scenes: list[Scene]) -> None:
    scene = scenes[0]
    picture = Picture(scene)
    group = picture.groups[0]
    only = Repertoire(list(picture.present), ())
    assert swap_phrase(group, "object", 1, picture, only, Lot(1)) is None
