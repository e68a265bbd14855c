"""VOLTA's losses of hidden regions against numbers from its own functions (e-bug/volta, volta/losses.py).

Three images of four regions; the second text is of another image, so that nothing of it is scored (objective 1). The functions
ran with all regions of the others chosen, a weight of 2, and the features as they were before any was hidden. VOLTA's own
batches hold features that are hidden already, from which ours depart (``volta_config.TARGETS``).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from samples import PAGES, VOCAB, batch_of
from torch import Tensor, nn

from iconotext.convert.volta_config import TARGETS
from iconotext.core.batch import Batch, Encoded
from iconotext.core.seed import Draw
from iconotext.objectives.base import Targets, View
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.nce import Others, RegionNCE

IMAGES, REGIONS, WIDTH = 3, 4, 6
RECORDED = {"0": 5.777228, "1": 6.657104, "3": 0.05352644, "4": 6.901454, "5": 2.160676, "6": 17.50002}
SCORES = {"0": (1601, 0.23, 0.5), "3": (1600, 0.23, 0.5), "4": (400, 0.31, 0.3), "6": (1601, 0.23, 0.5)}
"""The classes of each target, and the waves that its scores are."""
DRAWN = [
    *([9, 7, 5, 9, 7, 6, 7, 1, 1, 3], [7, 6, 6, 7, 8, 10, 7, 3, 2, 0]),
    *([9, 8, 9, 10, 8, 7, 8, 0, 0, 1], [6, 4, 11, 11, 4, 7, 4, 2, 1, 1]),
    *([5, 3, 2, 6, 5, 0, 7, 11, 11, 10], [1, 5, 3, 0, 2, 2, 3, 11, 10, 11]),
    *([6, 7, 3, 3, 2, 5, 6, 8, 11, 9], [2, 7, 2, 3, 7, 2, 6, 10, 8, 9]),
]
"""The regions that VOLTA told each scored region from: seven of other images, three of the same."""


def waves(*shape: int, step: float, phase: float) -> Tensor:
    return (step * torch.arange(math.prod(shape), dtype=torch.float64) + phase).sin().float().view(shape)


def pairs() -> Batch:
    batch = batch_of(PAGES["uniter"], [2] * IMAGES, [REGIONS] * IMAGES)
    many = IMAGES * REGIONS
    logits = 4 * waves(many, 1601, step=0.37, phase=0.2)
    logits[1, 0] = 9.0  # for the detector most likely background
    region = dataclasses.replace(
        batch.region,
        features=1.5 * waves(many, WIDTH, step=0.7, phase=0.1),
        class_probs=logits.softmax(-1),
        attributes=torch.arange(many) * 37 % 400,
        attribute_scores=torch.arange(many) % 5 / 5 + 0.1,
        masked=torch.zeros(many, dtype=torch.bool),
    )
    return dataclasses.replace(batch, region=region, matched=torch.tensor([True, False, True]))


def loss_of(target: str, guess: Tensor, targets: Targets, batch: Batch) -> float:
    objective = dataclasses.replace(TARGETS[target], weight=2.0)
    encoded = Encoded(torch.zeros(0, 1), guess, torch.zeros(IMAGES + 1).long(), batch.region.offsets)
    return objective.weight * float(objective.loss(nn.Identity(), View(encoded, None, batch), targets).mean)


@pytest.mark.parametrize("target", RECORDED)
def test_a_loss_is_that_of_the_original(target: str) -> None:
    batch = pairs()
    objective = dataclasses.replace(TARGETS[target], masks=RegionMasks(rate=1.0))
    targets = objective.corrupt(batch, batch, Draw(0, 0, np.arange(IMAGES)), VOCAB)[1]
    assert targets.positions.tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    many = IMAGES * REGIONS
    if target in SCORES:
        classes, step, phase = SCORES[target]
        guess = 3 * waves(many, classes, step=step, phase=phase)
    else:
        guess = 2 * waves(many, WIDTH, step=0.45, phase=1.0)
    assert loss_of(target, guess, targets, batch) == pytest.approx(RECORDED[target], rel=2e-6)


def test_the_contrast_of_regions_is_that_of_the_original() -> None:
    """The original ran with 10 others in place of 128."""
    batch, scored = pairs(), torch.tensor([0, 1, 2, 3, 8, 9, 10, 11])
    targets = Others(scored, batch.region.features, 8.0, others=torch.tensor(DRAWN))
    guess = 2 * waves(IMAGES * REGIONS, WIDTH, step=0.45, phase=1.0)
    assert loss_of("2", guess, targets, batch) == pytest.approx(16.380636, rel=2e-6)


def test_it_draws_as_many_others_as_the_original() -> None:
    """Of 128 negatives 70 % and 30 %, each rounded down."""
    contrast = TARGETS["2"]
    assert isinstance(contrast, RegionNCE)
    assert (contrast.across, contrast.inside) == (int(128 * 0.7), int(128 * 0.3))
    assert (RegionNCE().across, RegionNCE().inside) == (int(255 * 0.7), int(255 * 0.3))  # 12-in-1
