"""Masked region feature regression."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from samples import FEATURES, PAGES, VOCAB, batch_of
from torch import nn

from iconotext.core.batch import Encoded
from iconotext.core.seed import Draw
from iconotext.objectives.base import View
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mrfr import MRFR

BATCH = batch_of(PAGES["uniter"], [2] * 30, [6] * 30)
DRAW = Draw(0, 0, np.arange(30))


def test_targets_are_the_clean_features() -> None:
    dirty = dataclasses.replace(BATCH, region=dataclasses.replace(BATCH.region, features=BATCH.region.features * 0))
    corrupted, targets = MRFR(RegionMasks(0.4)).corrupt(dirty, BATCH, DRAW, VOCAB)
    assert torch.equal(targets.values, BATCH.region.features[targets.positions])
    assert targets.count == targets.positions.numel() * FEATURES
    assert torch.equal(corrupted.region.masked.nonzero()[:, 0], targets.positions)


def test_loss_is_the_mean_squared_error() -> None:
    _, targets = MRFR(RegionMasks(0.4)).corrupt(BATCH, BATCH, DRAW, VOCAB)
    torch.manual_seed(0)
    guess = torch.randn_like(BATCH.region.features)
    encoded = Encoded(torch.zeros(0, 1), guess, BATCH.text.offsets, BATCH.region.offsets)
    loss = MRFR().loss(nn.Identity(), View(encoded, None, BATCH), targets)
    errors = [(guess[p] - BATCH.region.features[p]) ** 2 for p in targets.positions.tolist()]
    torch.testing.assert_close(loss.mean, torch.stack(errors).mean())


def test_half_precision_features_are_compared_in_full() -> None:
    half = dataclasses.replace(BATCH, region=dataclasses.replace(BATCH.region, features=BATCH.region.features.half()))
    _, targets = MRFR().corrupt(half, half, DRAW, VOCAB)
    assert targets.values.dtype == torch.float32


def test_smooth_error_over_all_regions() -> None:
    """LXMERT: SmoothL1, summed over the hidden regions, mean over all of them; the whole-image token is none."""
    batch = batch_of(PAGES["vilbert"], [2] * 30, [6] * 30)
    objective = MRFR(RegionMasks(0.4), tied=False, error="smooth", per="all")
    _, targets = objective.corrupt(batch, batch, DRAW, VOCAB)
    assert targets.count == 30 * 6 * FEATURES
    guess = batch.region.features + torch.linspace(-3, 3, batch.region.whole.numel())[:, None]
    encoded = Encoded(torch.zeros(0, 1), guess, batch.text.offsets, batch.region.offsets)
    errors = (guess - batch.region.features)[targets.positions].abs()
    expected = torch.where(errors < 1, errors**2 / 2, errors - 0.5).sum() / targets.count
    torch.testing.assert_close(objective.loss(nn.Identity(), View(encoded, None, batch), targets).mean, expected)
