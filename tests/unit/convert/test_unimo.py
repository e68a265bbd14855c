"""UNIMO's parameters, as Paddle keeps them."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from iconotext.convert import RELEASES, convert, recognise
from iconotext.core.errors import DataError
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.systems.unimo import UNIMO

RELEASE = RELEASES["unimo"]
CONFIG = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 20}


def state() -> dict[str, Tensor]:
    """Every parameter of the published graphs, random."""
    torch.manual_seed(0)
    page = RELEASE.system(CONFIG)
    own = PretrainModel(page, 50, 8, 0).state_dict()
    found = {}
    for rule in RELEASE.rules(page):
        found[rule.source] = torch.randn(rule.give(own[rule.target]).shape)
    return found


def test_the_published_config_is_the_page() -> None:
    assert RELEASE.system(RELEASE.published) == UNIMO
    large = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "max_position_embeddings": 514}
    page, expected = RELEASE.system(large), UNIMO.at("large")
    assert (page.schedule, page.pool, page.hidden) == (expected.schedule, expected.pool, expected.hidden)


def test_linear_maps_are_transposed_and_stacked() -> None:
    theirs = state()
    model, carried = convert(RELEASE, CONFIG, theirs)
    assert {name.split(".")[1] for name in carried.unfilled} == {"mrfr", "mrc_soft"}
    own = model.state_dict()
    assert torch.equal(own["trunk.region.linear.feature.weight"], theirs["image_emb.w_0"].t())
    layer = [theirs[f"encoder_layer_1_multi_head_att_{name}_fc.w_0"].t() for name in ("query", "key", "value")]
    assert torch.equal(own["trunk.encoder.sublayers.2.project.text.weight"], torch.cat(layer))
    assert torch.equal(own["heads.cmcl.weight"], theirs["match_fc.w_0"].t())
    assert count_parameters(model.trunk) + own["heads.cmcl.weight"].numel() + 1 == sum(
        tensor.numel() for name, tensor in theirs.items() if not name.startswith("mask_lm")
    )


def test_positions_begin_at_the_third_row() -> None:
    model, _ = convert(RELEASE, CONFIG, state())
    assert model.trunk.text.first == 2


def test_what_fine_tuning_left_out_or_added() -> None:
    theirs = {
        name: tensor for name, tensor in state().items() if not name.startswith(("match_fc", "pooled", "mask_lm"))
    }
    model, carried = convert(RELEASE, CONFIG, theirs | {"cls_out_w_0": torch.randn(16, 3)})
    assert carried.left == {"cls_out_w_0": "the head of a fine-tuned classifier"}
    assert {name.split(".")[1] for name in carried.unfilled} == {"mlm", "cmcl", "mrfr", "mrc_soft", "pooler"}
    assert recognise(RELEASES.values(), theirs, CONFIG) is RELEASE
    assert model.shape["vocabulary"] == 50


def test_a_map_that_is_not_transposed_is_refused_by_name() -> None:
    theirs = state()
    name = "encoder_layer_0_ffn_fc_0.w_0"
    with pytest.raises(DataError, match=re.escape(name)):
        convert(RELEASE, CONFIG, theirs | {name: theirs[name].t()})
