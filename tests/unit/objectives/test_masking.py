"""Which words and regions are hidden."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import FEATURES, PAGES, batch_of, regions, texts, tokens
from torch import Tensor
from torchvision.ops import box_iou

from iconotext.core.batch import Region, row_of
from iconotext.core.seed import Draw
from iconotext.objectives.masking import RegionMasks, choose_words, hide

MANY = 400


def draw(rows: int, seed: int = 0) -> Draw:
    return Draw(seed, 0, torch.arange(rows).numpy())


def near(count: int, of: int, share: float) -> bool:
    """Within five deviations of a binomial."""
    return abs(count - of * share) <= 5 * math.sqrt(of * share * (1 - share))


@pytest.mark.parametrize("whole_word", [False, True])
@pytest.mark.parametrize("rate", [0.05, 0.15, 0.5])
def test_word_rate(rate: float, whole_word: bool) -> None:
    text = texts([20] * MANY)
    chosen = choose_words(text, draw(MANY), rate, whole_word, at_least_one=False)
    units = ~text.special
    if whole_word:  # count each word once
        units &= torch.cat([torch.ones(1, dtype=torch.bool), text.word.diff() != 0])
    assert near(int(chosen[units].sum()), int(units.sum()), rate)
    assert not chosen[text.special].any()


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.5])
def test_region_rate_and_keep(rate: float) -> None:
    region = regions([20] * MANY, PAGES["vilbert"])
    chosen, hidden = RegionMasks(rate, keep=0.1, at_least_one=False).choose(region, draw(MANY))
    assert near(int(chosen.sum()), 20 * MANY, rate)
    assert near(int(hidden.sum()), int(chosen.sum()), 0.9)
    assert not (hidden & ~chosen).any()
    assert not chosen[region.whole].any()


def test_keep_nothing_and_everything() -> None:
    region = regions([20] * 20, PAGES["uniter"])
    chosen, hidden = RegionMasks(0.3, keep=0.0).choose(region, draw(20))
    assert torch.equal(chosen, hidden)
    chosen, hidden = RegionMasks(0.3, keep=1.0).choose(region, draw(20))
    assert chosen.any()
    assert not hidden.any()


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 2**40), st.floats(0, 0.3), st.booleans())
def test_at_least_one(lengths: list[int], seed: int, rate: float, whole_word: bool) -> None:
    text = texts(lengths)
    more = choose_words(text, draw(len(lengths), seed), rate, whole_word, at_least_one=True)
    region = regions(lengths, PAGES["vilbert"])
    chosen, _ = RegionMasks(rate, at_least_one=True).choose(region, draw(len(lengths), seed))
    for row, length in enumerate(lengths):
        assert bool(more[tokens(text, row)].any()) == bool(length)
        assert bool(chosen[tokens(region, row)].any()) == bool(length)
    free = choose_words(text, draw(len(lengths), seed), rate, whole_word, at_least_one=False)
    full = torch.stack([free[tokens(text, row)].any() for row in range(len(lengths))])[row_of(text.offsets)]
    assert torch.equal(more[full], free[full])  # a row that has one gets no other
    if not whole_word:
        assert all(
            int(more[tokens(text, row)].sum()) <= 1 for row in range(len(lengths)) if not free[tokens(text, row)].any()
        )


@settings(max_examples=25)
@given(st.integers(0, 2**40), st.floats(0, 1), st.booleans())
def test_whole_words_are_chosen_whole(seed: int, rate: float, at_least_one: bool) -> None:
    text = texts([9, 3, 12, 1], seed % 7)
    chosen = choose_words(text, draw(4, seed), rate, True, at_least_one)
    for word in text.word[~text.special].unique().tolist():
        pieces = chosen[(text.word == word) & ~text.special]
        assert pieces.all() or not pieces.any()


def test_whole_words_are_seen_at_all() -> None:
    text = texts([40])
    assert int(text.word[~text.special].unique().numel()) < 40


def placed(boxes: list[list[int]], offsets: list[int], whole: bool) -> Region:
    """Regions with whole-number boxes, so that no overlap lies within rounding of a threshold by chance."""
    region = regions([offsets[i + 1] - offsets[i] for i in range(len(offsets) - 1)], PAGES["uniter"])
    first = torch.zeros(len(boxes), dtype=torch.bool)
    if whole:
        first[[begin for begin, end in pairwise(offsets) if end > begin]] = True
    return dataclasses.replace(region, boxes=torch.tensor(boxes).view(-1, 4).float(), whole=first)


@st.composite
def crowds(draw: st.DrawFn) -> Region:
    counts = draw(st.lists(st.integers(0, 8), min_size=1, max_size=3))
    corner = st.tuples(*[st.integers(0, 30)] * 4)
    boxes = draw(st.lists(corner, min_size=sum(counts), max_size=sum(counts)))
    sorted_boxes = [[min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1] for a, b, c, d in boxes]
    return placed(sorted_boxes, [sum(counts[:i]) for i in range(len(counts) + 1)], draw(st.booleans()))


def measured(measure: str, boxes: Tensor) -> Tensor:
    """By other code than ours."""
    if measure == "iou":
        return box_iou(boxes, boxes)
    n = len(boxes)
    low, high = torch.maximum(boxes[:, None, :2], boxes[:, :2]), torch.minimum(boxes[:, None, 2:], boxes[:, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return common / torch.minimum(areas[:, None].expand(n, n), areas.expand(n, n))


@settings(max_examples=60)
@given(crowds(), st.sampled_from(["iou", "overlap"]), st.sampled_from([0.0, 0.1, 0.4, 0.7]), st.integers(0, 2**40))
def test_nothing_visible_overlaps_what_is_hidden(region: Region, measure: str, leak: float, seed: int) -> None:
    rows = region.offsets.numel() - 1
    plain = RegionMasks(0.3, keep=0.3, leak=None)
    chosen, hidden = dataclasses.replace(plain, leak=leak, measure=measure).choose(region, draw(rows, seed))
    first_chosen, first_hidden = plain.choose(region, draw(rows, seed))
    assert not chosen[region.whole].any()
    assert not (first_hidden & ~hidden).any()
    assert torch.equal(chosen, first_chosen | hidden)
    for row in range(rows):
        at = tokens(region, row)
        own = ~region.whole[at]
        over = measured(measure, region.boxes[at]) > leak + 1e-6
        assert not over[hidden[at] & own][:, ~hidden[at] & own].any()
        # and nothing is hidden that does not hang together with what was drawn
        reached, certain = first_hidden[at], measured(measure, region.boxes[at]) > leak - 1e-6
        for _ in range(8):
            reached = reached | (certain[reached] & own).any(0)
        assert not (hidden[at] & ~reached).any()


def test_rows_do_not_leak_into_each_other() -> None:
    region = placed([[0, 0, 10, 10]] * 40, list(range(41)), whole=False)  # one row each, all the same box
    chosen, hidden = RegionMasks(0.5, at_least_one=False, leak=0.1).choose(region, draw(40))
    assert 0 < int(hidden.sum()) < 40
    assert torch.equal(chosen, hidden)


def test_hide_marks_and_zeroes_and_leaves_the_rest() -> None:
    region = regions([4, 3], PAGES["uniter"])
    hidden = torch.tensor([1, 0, 0, 1, 0, 0, 1]) > 0
    found = hide(region, hidden)
    assert torch.equal(found.masked, hidden)
    assert not found.features[hidden].any()
    assert torch.equal(found.features[~hidden], region.features[~hidden])
    for name in ("boxes", "location", "class_probs", "attributes", "segment"):
        assert torch.equal(getattr(found, name), getattr(region, name))
    assert not region.masked.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_whole_image_is_the_plain_mean_of_what_is_visible(dtype: torch.dtype) -> None:
    region = regions([3, 2, 0, 2], PAGES["vilbert"])
    region = dataclasses.replace(region, features=region.features.to(dtype))
    # rows: [whole, a, b, c], [whole, a, b], [], [whole, a, b]
    hidden = torch.tensor([0, 1, 0, 0, 0, 1, 1, 0, 0, 0]) > 0
    found = hide(region, hidden).features
    tolerance = {"rtol": 1e-3, "atol": 1e-3} if dtype == torch.float16 else {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(found[0], region.features[2:4].float().mean(0).to(dtype), **tolerance)
    assert not found[4].any()  # nothing is visible
    torch.testing.assert_close(found[7], region.features[8:10].float().mean(0).to(dtype), **tolerance)


def test_hiding_twice_is_hiding_both() -> None:
    region = regions([5, 4], PAGES["vilbert"])
    one, two = torch.zeros(11, dtype=torch.bool), torch.zeros(11, dtype=torch.bool)
    one[[1, 8]], two[[2, 9]] = True, True
    assert torch.equal(hide(hide(region, one), two).features, hide(region, one | two).features)


def test_location_stays_visible() -> None:
    batch = batch_of(PAGES["vilbert"], [2], [4])
    hidden = ~batch.region.whole
    found = hide(batch.region, hidden)
    assert torch.equal(found.location, batch.region.location)
    assert found.features.shape == (5, FEATURES)
    assert not found.features.any()


@pytest.mark.parametrize("system", ["uniter", "vilbert"])
def test_some_regions_get_the_feature_of_another_of_their_image(system: str) -> None:
    region = regions([20] * MANY, PAGES[system])
    masks = RegionMasks(0.5, keep=0.1, random=0.3, at_least_one=False)
    chosen, found = masks.corrupt(region, region, draw(MANY))
    _, hidden = masks.choose(region, draw(MANY))
    assert torch.equal(found.masked, hidden)
    assert near(int(hidden.sum()), int(chosen.sum()), 0.6)
    exchanged = (found.features != region.features).any(1) & ~hidden & ~region.whole
    assert not (exchanged & ~chosen).any()
    assert near(int(exchanged.sum()), int(chosen.sum()), 0.3)
    row = row_of(region.offsets)
    for at in exchanged.nonzero()[:40, 0].tolist():
        same = (region.features == found.features[at]).all(1) & ~region.whole
        assert row[same].tolist() == [int(row[at])]
    again, once_more = masks.corrupt(found, region, draw(MANY))
    assert torch.equal(again, chosen)
    assert torch.equal(once_more.features, found.features)


def test_a_region_alone_in_its_image_keeps_its_feature() -> None:
    region = regions([1, 1, 0, 1], PAGES["vilbert"])
    _, found = RegionMasks(1.0, random=1.0).corrupt(region, region, draw(4))
    assert torch.equal(found.features[~region.whole], region.features[~region.whole])
    assert not found.masked.any()
