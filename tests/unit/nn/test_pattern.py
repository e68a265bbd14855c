"""Packed rows to rectangles and back, and who may look at whom."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import PAGES, batch_of, tokens

from iconotext.nn.pattern import Geometry
from iconotext.nn.schedule import BOTH, REGION, TEXT

PAGE = PAGES["uniter"]
COUNTS = st.lists(st.integers(0, 4), min_size=1, max_size=5)


@given(COUNTS, st.randoms(), st.sampled_from([TEXT, REGION, BOTH]))
def test_pad_and_pack(words: list[int], random, streams) -> None:
    batch = batch_of(PAGE, words, [random.randrange(5) for _ in words])
    parts = {"text": batch.text, "region": batch.region}
    packed = {s: torch.randn(int(parts[s].offsets[-1]), 3, dtype=torch.float64) for s in BOTH}
    joined = torch.cat([packed[s] for s in streams]).requires_grad_()
    rectangle = Geometry(batch).rectangle(streams)
    padded = rectangle.pad(joined)
    for row in range(len(batch)):
        expected = torch.cat([packed[s][tokens(parts[s], row)] for s in streams])
        assert torch.equal(padded[row][rectangle.filled[row]], expected)
        assert rectangle.filled[row, : len(expected)].all()
        assert not rectangle.filled[row, len(expected) :].any()
    back = rectangle.pack(padded)
    assert torch.equal(back, joined)
    if joined.numel():
        weights = torch.randn_like(back)
        (back * weights).sum().backward()
        assert torch.equal(joined.grad, weights)


@settings(max_examples=20)
@given(COUNTS, st.randoms())
def test_gradients_of_both_moves_are_exact(words: list[int], random) -> None:
    batch = batch_of(PAGE, [n + 1 for n in words], [random.randrange(5) for _ in words])
    rectangle = Geometry(batch).rectangle(BOTH)
    packed = torch.randn(rectangle.slot.numel(), 2, dtype=torch.float64, requires_grad=True)
    filled = rectangle.filled[..., None]
    assert torch.autograd.gradcheck(lambda x: rectangle.pad(x) * filled, packed)
    padded = torch.randn(*rectangle.filled.shape, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rectangle.pack, padded)


def test_no_mask_where_every_slot_is_filled() -> None:
    geometry = Geometry(batch_of(PAGE, [3, 3], [2, 2]))
    assert geometry.mask(TEXT, BOTH, torch.float32) is None
    geometry = Geometry(batch_of(PAGE, [3, 3], [2, 1]))
    assert geometry.mask(REGION, TEXT, torch.float32) is None
    mask = geometry.mask(TEXT, REGION, torch.float32)
    assert mask is not None
    assert (mask[:, 0, 0] == 0).tolist() == [[True, True], [True, False]]
    assert mask.min() == torch.finfo(torch.float32).min
    assert geometry.mask(TEXT, REGION, torch.float32) is mask


def test_seq2seq_lets_words_see_regions_and_earlier_words_and_regions_see_regions() -> None:
    geometry = Geometry(batch_of(PAGE, [1, 2], [2, 1], pattern="seq2seq"))
    mask = geometry.mask(BOTH, BOTH, torch.float32)
    assert mask is not None
    rows = [["".join("x" if see else "." for see in query) for query in row] for row in (mask[:, 0] == 0).tolist()]
    # [CLS] w [SEP] r r, and [CLS] w w [SEP] r
    assert rows[0] == ["x..xx", "xx.xx", "xxxxx", "...xx", "...xx"]
    assert rows[1] == ["x...x", "xx..x", "xxx.x", "xxxxx", "....x"]


def test_words_of_the_source_are_read_like_regions() -> None:
    batch = batch_of(PAGE, [1, 2], [1, 0], pattern="seq2seq")
    source = torch.tensor([True, False, False, False, True, False, False])
    geometry = Geometry(dataclasses.replace(batch, text=dataclasses.replace(batch.text, source=source)))
    mask = geometry.mask(BOTH, BOTH, torch.float32)
    assert mask is not None
    rows = [["".join("x" if see else "." for see in query) for query in row] for row in (mask[:, 0] == 0).tolist()]
    # [CLS] w [SEP] r, and [CLS] w w [SEP]: the source is [CLS] in the first row, the first word in the second
    assert rows[0] == ["x..x", "xx.x", "xxxx", "x..x"]
    assert rows[1] == ["xx..", ".x..", "xxx.", "xxxx"]
    assert geometry.blind("region", TEXT) is None


@pytest.mark.parametrize(("pattern", "expected"), [("full", [False, False, True]), ("seq2seq", [True, True, True])])
def test_a_region_is_blind_where_it_may_read_no_word(pattern: str, expected: list[bool]) -> None:
    geometry = Geometry(batch_of(PAGE, [2, 1, 0], [1, 1, 1], pattern=pattern))
    blind = geometry.blind("region", TEXT)
    assert blind is not None
    assert blind[:, 0].tolist() == expected
    assert geometry.blind("region", BOTH) is None
    assert geometry.blind("text", REGION) is None
