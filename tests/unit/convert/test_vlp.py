"""Unified VLP's published layout: its config, its names, what is left out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from iconotext.convert import convert
from iconotext.convert.vlp import RELEASE, rules, sizes, system
from iconotext.core.errors import DataError
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.terms import Feature
from iconotext.objectives.caption import CaptionMLM
from iconotext.objectives.mix import objectives
from iconotext.systems.vlp import VLP

CONFIG = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 130,
    "type_vocab_size": 6,
    "fc7_dim": 12,
}
SIZES = {"vocabulary": 50, "feature_dim": 8, "classes": 5}


def state(config: dict[str, Any]) -> dict[str, Tensor]:
    page = system(config)
    own = PretrainModel(page, **SIZES).state_dict()
    shapes = {rule.source: rule.place(own[rule.target]).shape for rule in rules(page) if rule.target in own}
    return {name: torch.arange(math.prod(s), dtype=torch.float32).view(s) for name, s in shapes.items()}


def test_the_published_config_is_the_page() -> None:
    assert system(RELEASE.published) == VLP


def test_every_tensor_has_its_place_and_sizes_are_read_off() -> None:
    tensors = state(CONFIG)
    assert sizes(tensors) == SIZES
    heads = {"ans_classifier.0.weight": torch.zeros(3, 3), "cls.seq_relationship.weight": torch.zeros(2, 16)}
    tied = {"cls.predictions.decoder.weight": tensors["bert.embeddings.word_embeddings.weight"]}
    model, report = convert(RELEASE, CONFIG, {f"module.{k}": v for k, v in {**tensors, **heads, **tied}.items()})
    assert report.unfilled == ()
    assert report.left["ans_classifier.0.weight"] == "the head of a task"
    assert torch.equal(model.trunk.region.linear["feature"][2].weight, tensors["vis_embed.2.weight"])
    assert model.system.region.terms[0] == Feature(relu=True, hidden=12, masked="absent")
    tensors.pop("vis_pe_embed.0.bias")
    with pytest.raises(DataError, match=r"vis_pe_embed\.0\.bias is missing"):
        convert(RELEASE, CONFIG, tensors)


def test_the_answers_of_a_fine_tuned_model_are_read() -> None:
    config = {**CONFIG, "tasks": "vqa2", "num_answers": 7}
    model, report = convert(RELEASE, config, state(config))
    assert not report.left
    assert report.unfilled == ()
    assert [o.name for o in objectives(model.system.mix)] == ["mlm", "iqa"]
    assert model.heads["iqa"].layers[2].out_features == 7
    assert [o.name for o in objectives(system({**CONFIG, "vis_mask_prob": 0.1}).mix)] == ["mlm", "region_matching"]


def test_projections_and_smoothing_come_from_the_config() -> None:
    config = {**CONFIG, "relax_projection": 4, "label_smoothing": 0.1}
    (words,) = objectives(system(config).mix)
    assert isinstance(words, CaptionMLM)
    assert (words.projections, words.smoothing) == (4, 0.1)
    model, _ = convert(RELEASE, config, state(config))
    assert model.heads["mlm"].transform.linear.weight.shape == (64, 16)
