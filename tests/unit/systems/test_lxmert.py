"""LXMERT's page: what the published model counts, and where its objectives differ from others'."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import CLASSES, FEATURES, VOCAB, batch_of, shake

from iconotext.core.batch import Batch
from iconotext.core.seed import Draw
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.models.trunk import Trunk, count_parameters
from iconotext.nn.attention import Attention
from iconotext.nn.schedule import cross_layer, text_layer, twin_layer
from iconotext.nn.terms import Position, Segment, TextEmbedding, Word
from iconotext.objectives.base import Corrupted
from iconotext.objectives.iqa import IQA
from iconotext.objectives.mix import Together, corrupt, objectives
from iconotext.systems.lxmert import LXMERT

ATTRIBUTES, ANSWERS, ROWS = 4, 7, 8


def tiny() -> System:
    """The page with its own objectives in sizes of tens."""
    mix = Together(
        tuple(dataclasses.replace(o, count=ANSWERS) if isinstance(o, IQA) else o for o in objectives(LXMERT.mix))
    )
    return dataclasses.replace(
        LXMERT,
        text=TextEmbedding((Word(), Position(12, fixed=True), Segment(2, fixed=True))),
        schedule=twin_layer() + text_layer() + 2 * cross_layer(),
        mix=mix,
        width=16,
        heads=2,
        hidden=24,
        region_width=16,
        region_heads=2,
        region_hidden=24,
    )


def batch() -> Batch:
    found = batch_of(LXMERT, [4] * ROWS, [6] * ROWS)
    many = found.region.attributes.numel()
    attributes, sure = torch.arange(many) % (ATTRIBUTES + 1) - 1, torch.linspace(0.1, 0.9, many)
    region = dataclasses.replace(found.region, attributes=attributes, attribute_scores=sure)
    return dataclasses.replace(found, region=region, answers=torch.arange(ROWS) % 3 - 1)


def model_of() -> PretrainModel:
    torch.manual_seed(0)
    model = PretrainModel(tiny(), VOCAB.size, FEATURES, CLASSES, ATTRIBUTES)
    shake(model)
    return model.eval()


def corrupted() -> Corrupted:
    return corrupt(objectives(tiny().mix), batch(), Draw(0, 0, np.arange(ROWS)), VOCAB)


def test_the_schedule_of_the_paper() -> None:
    assert LXMERT.schedule == 5 * twin_layer() + 4 * text_layer() + 5 * cross_layer()
    assert LXMERT.streams == "dual-stream"


def test_parameters_of_the_published_model() -> None:
    """As airsplay/lxmert and transformers count it: 1,600 classes without background, 400 attributes, 9,500 answers."""
    with torch.device("meta"):
        assert count_parameters(PretrainModel(LXMERT, 30522, 2048, 1601, 400)) == 228_051_752
        assert count_parameters(Trunk(LXMERT, 30522, 2048)) == 207_936_768
        trunk = Trunk(LXMERT, 30522, 2048)
    width, hidden = 768, 3072
    attention = 4 * (width**2 + width) + 2 * width
    crossing = 3 * attention + 2 * (2 * width * hidden + hidden + width + 2 * width)
    assert sum(map(count_parameters, trunk.encoder.sublayers[-3:])) == crossing


def test_one_attention_crosses_in_both_directions() -> None:
    model, seen = model_of(), batch()
    crossing = next(m for m in model.trunk.encoder.sublayers if isinstance(m, Attention) and m.layer.tied)
    assert list(crossing.project) == list(crossing.output) == list(crossing.norm) == ["text"]
    for stream in ("text", "region"):
        (gradient,) = torch.autograd.grad(
            getattr(model.trunk(seen), stream).square().sum(), crossing.project["text"].weight
        )
        assert all(part.any() for part in gradient.chunk(3))


def test_every_loss_has_its_count_and_every_weight_a_gradient() -> None:
    model, case = model_of(), corrupted()
    regions = case.batch.region.masked.numel()
    asked = int(((case.batch.answers >= 0) & case.batch.matched).sum())
    assert 0 < asked < ROWS
    counts = {"mrc_hard": regions, "mrc_attribute": regions, "mrfr": regions * FEATURES, "itm": ROWS, "iqa": asked}
    losses = model(case)
    assert {name: losses[name].count.item() for name in counts} == counts
    sum((model.objectives[n].weight * loss.mean for n, loss in losses.items()), torch.zeros(())).backward()
    missing = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert missing == set()
    tables = model.trunk.text.tables
    for name in ("position", "segment"):
        gradient = tables[name].weight.grad
        assert not gradient[0].any(), "row 0 is the padding row of the original's tables"
    assert tables["position"].weight.grad[1].any()


def test_classes_leave_the_background_out_and_count_by_confidence() -> None:
    case, probs = corrupted(), batch().region.class_probs
    classes, sure = case.targets["mrc_hard"].values, case.targets["mrc_hard"].weights
    assert torch.equal(classes, probs[:, 1:].argmax(1))
    assert torch.equal(sure, probs[:, 1:].max(1).values)
    named = batch().region.attributes
    found = case.targets["mrc_attribute"]
    assert torch.equal(found.weights, batch().region.attribute_scores * (named >= 0))
    assert torch.equal(found.values, named.clamp(min=0))


def test_region_losses_and_words_are_scored_on_mismatched_pairs_too_but_no_answers() -> None:
    case = corrupted()
    wrong = ~case.batch.matched
    assert wrong.any()
    positions = case.targets["mlm"].positions
    row = torch.bucketize(positions, case.batch.text.offsets, right=True) - 1
    assert wrong[row].any()
    assert case.batch.matched[case.targets["iqa"].positions].all()
    assert case.targets["mrc_hard"].positions.numel() == case.batch.region.masked.numel()


def test_region_heads_share_one_hidden_step() -> None:
    model = model_of()
    assert {name for name, _ in model.shared.named_parameters()} == {
        f"region.{part}.{kind}" for part in ("linear", "norm") for kind in ("weight", "bias")
    }
    assert not any("transform" in name for name in model.heads["mrfr"].state_dict())
    states = torch.randn(3, 16)
    before = [model.heads[name](states) for name in ("mrc_hard", "mrc_attribute", "mrfr")]
    with torch.no_grad():
        model.shared["region"].linear.bias += 1
    assert all(
        not torch.equal(model.heads[n](states), b) for n, b in zip(("mrc_hard", "mrc_attribute", "mrfr"), before)
    )


@pytest.mark.parametrize("size", ["base", "tiny"])
def test_all_six_objectives_are_trained_in_every_size(size: str) -> None:
    names = {o.name for o in objectives(LXMERT.at(size).mix)}
    assert names == {"mlm", "itm", "mrc_hard", "mrc_attribute", "mrfr", "iqa"}
