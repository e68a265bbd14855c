"""Masked region classification: the published values and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import PAGES, VOCAB, batch_of
from torch import Tensor, nn

from iconotext.core.batch import Encoded
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.objectives.base import Targets, View
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mrc import MRC

BATCH = batch_of(PAGES["vilbert"], [2] * 50, [6] * 50)
DRAW = Draw(0, 0, np.arange(50))
LOGITS = torch.tensor([[1.0, 2, 3], [2, -1, 0.5]])
TARGETS = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])


def loss_of(objective: MRC, logits: Tensor, targets: Targets) -> float:
    none = torch.tensor([0, 0])
    encoded = Encoded(torch.zeros(0, 1), logits, none, torch.tensor([0, len(logits)]))
    return float(objective.loss(nn.Identity(), View(encoded, None, BATCH), targets).mean)


@pytest.mark.parametrize(("per", "expected"), [("class", 0.384678), ("region", 1.154033)])
def test_the_two_published_reductions(per: str, expected: float) -> None:
    """UNITER's mean over elements and the sum over classes of ViLBERT and VOLTA: their ratio is the number of classes."""
    probs = torch.zeros_like(BATCH.region.class_probs[:, :3])
    batch = dataclasses.replace(BATCH, region=dataclasses.replace(BATCH.region, class_probs=probs))
    _, drawn = MRC("soft", per=per).corrupt(batch, batch, DRAW, VOCAB)
    assert drawn.count == drawn.positions.numel() * (3 if per == "class" else 1)
    targets = Targets(torch.tensor([0, 1]), TARGETS, 6.0 if per == "class" else 2.0)
    assert loss_of(MRC("soft", per=per), LOGITS, targets) == pytest.approx(expected, abs=2e-6)


def test_a_sure_detector_makes_soft_and_hard_one() -> None:
    soft = Targets(torch.tensor([0, 1]), torch.eye(3)[[2, 0]], 2.0)
    hard = Targets(torch.tensor([0, 1]), torch.tensor([2, 0]), 2.0)
    assert loss_of(MRC("soft"), LOGITS, soft) == pytest.approx(loss_of(MRC("hard"), LOGITS, hard), rel=1e-6)


def test_the_best_guess_of_a_soft_label_is_the_label() -> None:
    targets = Targets(torch.tensor([0, 1]), TARGETS, 2.0)
    assert loss_of(MRC("soft"), TARGETS.log(), targets) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("background_first", [True, False])
def test_hard_labels(background_first: bool) -> None:
    _, targets = MRC("hard", background_first=background_first).corrupt(BATCH, BATCH, DRAW, VOCAB)
    probs = BATCH.region.class_probs[targets.positions]
    assert (probs.argmax(1) == 0).any()
    start = int(background_first)
    assert torch.equal(targets.values, probs[:, start:].argmax(1) + start)
    assert targets.count == targets.positions.numel()


def test_kept_regions_are_scored_but_seen() -> None:
    corrupted, targets = MRC("soft", RegionMasks(0.5, keep=0.4)).corrupt(BATCH, BATCH, DRAW, VOCAB)
    seen = ~corrupted.region.masked[targets.positions]
    assert 0.3 < float(seen.float().mean()) < 0.5
    kept = targets.positions[seen]
    assert torch.equal(corrupted.region.features[kept], BATCH.region.features[kept])


def test_names() -> None:
    assert (MRC("soft").name, MRC("hard").name) == ("mrc_soft", "mrc_hard")


@pytest.mark.parametrize("label", ["soft", "hard"])
def test_a_store_without_labels_is_refused_unless_there_are_no_regions(label: str) -> None:
    region = dataclasses.replace(BATCH.region, class_probs=BATCH.region.class_probs[:, :0])
    batch = dataclasses.replace(BATCH, region=region)
    with pytest.raises(ConfigError, match="needs class probabilities"):
        MRC(label).corrupt(batch, batch, DRAW, VOCAB)
    words = batch_of(PAGES["vilbert"], [2, 3], [0, 0])
    words = dataclasses.replace(words, region=dataclasses.replace(words.region, class_probs=torch.zeros(0, 0)))
    assert MRC(label).corrupt(words, words, Draw(0, 0, np.arange(2)), VOCAB)[1].count == 0


def test_all_regions_by_confidence() -> None:
    """LXMERT: every region counts, hidden or not, by how sure the detector is; the whole-image token does not."""
    objective = MRC("hard", scores="all", confidence=True, background_scored=False)
    corrupted, targets = objective.corrupt(BATCH, BATCH, DRAW, VOCAB)
    assert 0 < int(corrupted.region.masked.sum()) < targets.positions.numel()
    assert torch.equal(targets.positions, (~BATCH.region.whole).nonzero()[:, 0])
    probs = BATCH.region.class_probs[targets.positions, 1:]
    assert torch.equal(targets.values, probs.argmax(1))
    assert torch.equal(targets.weights, probs.max(1).values)
    some = Targets(torch.tensor([0, 1]), torch.tensor([2, 0]), 4.0, torch.tensor([0.5, 0.25]))
    each = -LOGITS.log_softmax(1)[[0, 1], [2, 0]]
    assert loss_of(objective, LOGITS, some) == pytest.approx(float(0.5 * each[0] + 0.25 * each[1]) / 4)


@pytest.mark.parametrize("confidence", [False, True])
def test_attributes(confidence: bool) -> None:
    many = BATCH.region.attributes.numel()
    named, sure = torch.arange(many) % 4 - 1, torch.linspace(0.2, 0.8, many)
    region = dataclasses.replace(BATCH.region, attributes=named, attribute_scores=sure)
    batch = dataclasses.replace(BATCH, region=region)
    _, targets = MRC("attribute", confidence=confidence).corrupt(batch, batch, DRAW, VOCAB)
    there = named[targets.positions] >= 0
    assert torch.equal(targets.values[there], named[targets.positions][there])
    expected = sure[targets.positions] if confidence else torch.ones(len(there))
    assert torch.equal(targets.weights, expected * there)
    assert targets.count == targets.positions.numel()


def test_soft_cross_entropy_of_the_original() -> None:
    """VL-BERT's own function on these rows; it passes over the middle one, whose label does not add up to 1."""
    targets = Targets(torch.tensor([0, 1]), TARGETS, 2.0)
    assert loss_of(MRC("soft", measure="cross_entropy"), LOGITS, targets) == pytest.approx(1.874459, abs=2e-6)


def test_soft_cross_entropy_scores_labels_that_add_up_to_one() -> None:
    probs = BATCH.region.class_probs.clone()
    probs[::2] *= 0.5
    batch = dataclasses.replace(BATCH, region=dataclasses.replace(BATCH.region, class_probs=probs))
    _, kl = MRC("soft", MASKS := RegionMasks(0.5)).corrupt(batch, batch, DRAW, VOCAB)
    _, soft = MRC("soft", MASKS, measure="cross_entropy").corrupt(batch, batch, DRAW, VOCAB)
    assert soft.positions.tolist() == [p for p in kl.positions.tolist() if p % 2]
    assert soft.count == soft.positions.numel()


def test_a_mean_of_the_rows_means() -> None:
    offsets = torch.tensor([0, 1, 1, 2])
    targets = MRC("soft", per="row").targets(torch.tensor([0, 1]), TARGETS, torch.ones(2), offsets)
    assert targets.count == pytest.approx(2 + 1e-4)
    assert targets.weights.tolist() == pytest.approx([1 / (1 + 1e-4)] * 2)
    one = MRC("soft", per="row").targets(torch.tensor([0, 1]), TARGETS, torch.ones(2), torch.tensor([0, 2]))
    assert one.weights.tolist() == pytest.approx([1 / (2 + 1e-4)] * 2)
    assert one.count == pytest.approx(1 + 1e-4)
    assert loss_of(MRC("soft", per="row"), LOGITS, one) == pytest.approx(1.154033, rel=2e-4)
