"""Masked language modelling: what becomes of the chosen words."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import PAGES, VOCAB, batch_of
from torch import nn

from iconotext.core.batch import Encoded, row_of
from iconotext.core.seed import Draw
from iconotext.objectives.base import View
from iconotext.objectives.mlm import MLM

ROWS = 600
BATCH = batch_of(PAGES["uniter"], [20] * ROWS, [1] * ROWS)
DRAW = Draw(0, 0, np.arange(ROWS))


def near(count: int, of: int, share: float) -> bool:
    return abs(count - of * share) <= 5 * (of * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("whole_word", [False, True])
def test_80_10_10(whole_word: bool) -> None:
    corrupted, targets = MLM(0.3, whole_word=whole_word).corrupt(BATCH, BATCH, DRAW, VOCAB)
    before, after = BATCH.text.ids[targets.positions], corrupted.text.ids[targets.positions]
    assert torch.equal(targets.values, before)
    many = targets.positions.numel()
    ordinary = VOCAB.size - VOCAB.first
    assert near(int((after == VOCAB.mask).sum()), many, 0.8)
    assert near(int((after == before).sum()), many, 0.1 + 0.1 / ordinary)
    other = after[(after != VOCAB.mask) & (after != before)]
    assert near(other.numel(), many, 0.1 * (1 - 1 / ordinary))
    assert set(other.tolist()) == set(range(VOCAB.first, VOCAB.size))
    assert np.bincount(other.numpy()).max() < 3 * other.numel() / ordinary


def test_nothing_else_changes() -> None:
    corrupted, targets = MLM(0.3).corrupt(BATCH, BATCH, DRAW, VOCAB)
    rest = torch.ones_like(BATCH.text.special)
    rest[targets.positions] = False
    assert torch.equal(corrupted.text.ids[rest], BATCH.text.ids[rest])
    for name in ("position", "segment", "word", "special", "link", "offsets"):
        assert torch.equal(getattr(corrupted.text, name), getattr(BATCH.text, name))
    assert corrupted.region is BATCH.region
    assert targets.count == targets.positions.numel()


@pytest.mark.parametrize(("mask", "random"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_shares_are_options(mask: float, random: float) -> None:
    corrupted, targets = MLM(0.3, mask=mask, random=random).corrupt(BATCH, BATCH, DRAW, VOCAB)
    after = corrupted.text.ids[targets.positions]
    assert bool((after == VOCAB.mask).all()) == (mask == 1.0)
    assert bool((after == targets.values).all()) == (mask == random == 0.0)
    assert VOCAB.mask not in corrupted.text.ids or mask > 0


def test_targets_come_from_the_clean_batch() -> None:
    other = dataclasses.replace(BATCH, text=dataclasses.replace(BATCH.text, ids=torch.full_like(BATCH.text.ids, 9)))
    _, targets = MLM(0.3).corrupt(other, BATCH, DRAW, VOCAB)
    assert torch.equal(targets.values, BATCH.text.ids[targets.positions])


def test_every_row_has_a_target_unless_told_otherwise() -> None:
    always = MLM(0.01).corrupt(BATCH, BATCH, DRAW, VOCAB)[1].count
    sometimes = MLM(0.01, at_least_one=False).corrupt(BATCH, BATCH, DRAW, VOCAB)[1].count
    assert sometimes < ROWS <= always


def test_loss_is_the_mean_cross_entropy() -> None:
    _, targets = MLM(0.3).corrupt(BATCH, BATCH, DRAW, VOCAB)
    torch.manual_seed(0)
    logits = torch.randn(BATCH.text.ids.numel(), VOCAB.size)
    encoded = Encoded(logits, torch.zeros(0, 1), BATCH.text.offsets, BATCH.region.offsets)
    loss = MLM().loss(nn.Identity(), View(encoded, None, BATCH), targets)
    by_hand = torch.stack([-logits[p].log_softmax(0)[v] for p, v in zip(targets.positions, targets.values)]).mean()
    torch.testing.assert_close(loss.mean, by_hand)


def test_a_mean_of_the_rows_means() -> None:
    """VL-BERT's MLM_LOSS_NORM_IN_BATCH_FIRST: a row with one hidden word counts as much as one with three."""
    offsets = torch.tensor([0, 4, 6, 9])
    targets = MLM(per="row").targets(torch.tensor([0, 1, 3, 8]), torch.tensor([5, 6, 7, 8]), offsets)
    assert targets.weights.tolist() == pytest.approx([1 / 3.0001] * 3 + [1 / 1.0001])
    assert targets.count == pytest.approx(2.0001)
    encoded = Encoded(torch.randn(9, VOCAB.size), torch.zeros(0, 1), offsets, torch.zeros(4).long())
    each = nn.functional.cross_entropy(encoded.text[targets.positions], targets.values, reduction="none")
    loss = MLM(per="row").loss(nn.Identity(), View(encoded, None, BATCH), targets)
    assert float(loss.mean) == pytest.approx(float((each[:3].mean() + each[3]) / 2), rel=1e-3)
    none = MLM(per="row").targets(torch.zeros(0).long(), torch.zeros(0).long(), offsets)
    assert none.count == 0


def test_a_fixed_share_of_the_row_with_its_special_tokens() -> None:
    words = [1, 5, 18, 60, 0]
    batch = batch_of(PAGES["uniter"], words, [0] * len(words))
    _, targets = MLM(rate=0.15, most=6).corrupt(batch, batch, Draw(0, 0, np.arange(len(words))), VOCAB)
    row = row_of(batch.text.offsets)[targets.positions]
    assert row.bincount(minlength=len(words)).tolist() == [1, 1, 3, 6, 0]
    assert not batch.text.special[targets.positions].any()
