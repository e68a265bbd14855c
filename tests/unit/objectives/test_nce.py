"""Noise-contrastive regions: who is told from whom, and the loss by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from samples import PAGES, VOCAB, batch_of
from torch import nn

from iconotext.core.batch import Batch, Encoded, row_of
from iconotext.core.seed import Draw
from iconotext.objectives.base import Corrupted, HeadContext, View
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.nce import Others, RegionNCE

PAGE = PAGES["vilbert"]  # which has a token of the whole image
ALL = RegionNCE(RegionMasks(rate=1.0), across=300, inside=200)


def targets_of(batch: Batch, objective: RegionNCE = ALL, seed: int = 0) -> Others:
    draw = Draw(seed, 0, batch.position.numpy())
    targets = objective.corrupt(batch, batch, draw, VOCAB)[1]
    assert isinstance(targets, Others)
    return targets


def test_others_are_of_other_images_and_of_the_same_but_never_the_region_itself() -> None:
    batch = batch_of(PAGE, [2, 2, 2], [4, 2, 3])
    targets = targets_of(batch)
    row, whole = row_of(batch.region.offsets), batch.region.whole
    assert torch.equal(targets.positions, (~whole).nonzero()[:, 0])
    for at, others in zip(targets.positions.tolist(), targets.others):
        far, near = others[:300].tolist(), others[300:].tolist()
        mine = row == row[at]
        assert set(far) == set((~mine & ~whole).nonzero()[:, 0].tolist())
        assert set(near) == set((mine & ~whole).nonzero()[:, 0].tolist()) - {at}


def test_every_other_region_is_as_likely() -> None:
    batch = batch_of(PAGE, [2, 2, 2], [4, 2, 3])
    others = targets_of(batch, RegionNCE(RegionMasks(rate=1.0), across=5000, inside=5000)).others
    share = torch.bincount(others[0, :5000])[5:].float() / 5000  # of the second and third image
    assert torch.allclose(share[share > 0], torch.tensor(0.2), atol=0.03)
    share = torch.bincount(others[1, 5000:])[1:].float() / 5000  # of the first, but its second region
    assert torch.allclose(share[share > 0], torch.tensor(1 / 3), atol=0.03)


def test_one_kind_stands_in_where_the_other_is_not_to_be_had() -> None:
    alone = targets_of(batch_of(PAGE, [2], [3]))
    assert set(alone.others[0].tolist()) == {2, 3}
    single = targets_of(batch_of(PAGE, [2, 2], [1, 2]))
    assert set(single.others[0].tolist()) == {3, 4}


@pytest.mark.parametrize("counts", [[1], [0, 0], [1, 0]])
def test_nothing_to_tell_a_region_from(counts: list[int]) -> None:
    batch = batch_of(PAGE, [2] * len(counts), counts)
    assert ALL.corrupt(batch, batch, Draw(0, 0, batch.position.numpy()), VOCAB)[1].count == 0


def test_a_draw_repeats_itself_and_another_seed_differs() -> None:
    batch = batch_of(PAGE, [2, 2, 2], [4, 2, 3])
    assert torch.equal(targets_of(batch).others, targets_of(batch).others)
    assert not torch.equal(targets_of(batch).others, targets_of(batch, seed=1).others)


def test_mismatched_pairs_and_hidden_features() -> None:
    batch = batch_of(PAGE, [2, 2, 2], [4, 2, 3])
    objective = dataclasses.replace(ALL, only_matched=True)
    corrupted, targets = objective.corrupt(batch, batch, Draw(0, 0, np.arange(3)), VOCAB)
    assert isinstance(targets, Others)
    row = row_of(batch.region.offsets)
    assert batch.matched[row[targets.positions]].all()
    assert torch.equal(targets.values, batch.region.features)
    hidden = corrupted.region.masked
    assert hidden[targets.positions].all()
    assert not corrupted.region.features[hidden].any()


def test_the_loss_is_a_cross_entropy_of_products() -> None:
    features = torch.tensor([[1.0, 0], [0, 1], [1, 1], [2, 0]])
    guess = torch.tensor([[0.5, -1.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    targets = Others(torch.tensor([0, 1]), features, 2.0, others=torch.tensor([[1, 2], [3, 3]]))
    none, batch = torch.tensor([0, 0]), batch_of(PAGE, [2], [3])
    view = View(Encoded(torch.zeros(0, 1), guess, none, torch.tensor([0, 4])), None, batch)
    first = -0.5 + math.log(math.exp(0.5) + math.exp(-1) + math.exp(-0.5))
    second = -2 + math.log(math.exp(2) + 2 * math.exp(2))
    assert float(ALL.loss(nn.Identity(), view, targets).mean) == pytest.approx((first + second) / 2)


def test_targets_move_as_a_whole() -> None:
    batch = batch_of(PAGE, [2, 2], [2, 2])
    moved = Corrupted(batch, {"nce": targets_of(batch)}).to("meta").targets["nce"]
    assert isinstance(moved, Others)
    assert moved.others.is_meta
    assert moved.values.is_meta


def test_the_head_maps_to_the_feature() -> None:
    context = HeadContext(4, 6, 4, 1e-12, 0.0, nn.Embedding(3, 4), None, 5, 3, 0)
    assert ALL.head(context)(torch.zeros(2, 6)).shape == (2, 5)
