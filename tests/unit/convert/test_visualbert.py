"""VisualBERT's layouts, heads and the values that its original code gives to a tiny model filled with sines."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import VisualBertConfig
from transformers.models.visual_bert.modeling_visual_bert import VisualBertLayer

from iconotext.convert import RELEASES, convert
from iconotext.convert.visualbert import TRANSFORMERS_RELEASE
from iconotext.core.batch import Batch, Region, Text
from iconotext.core.errors import ConfigError
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.nn.schedule import joint_layer, text_layer
from iconotext.objectives.base import Targets
from iconotext.objectives.itm import ITM
from iconotext.systems.visualbert import VISUALBERT

RELEASE = RELEASES["visualbert"]
CONFIG: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
}
SIZES = {"vocabulary": 50, "feature_dim": 8, "classes": 0}
TIED = "cls.predictions.decoder.weight"


def filled(key: str, shape: tuple[int, ...]) -> Tensor:
    """The fill of the recorded values: a sine whose phase comes from the key."""
    phase = sum(map(ord, key)) % 97
    values = 0.1 * torch.sin(0.1 * torch.arange(1, math.prod(shape) + 1, dtype=torch.float64) + phase)
    return (values + (1 if key.endswith("weight") and "LayerNorm" in key else 0)).float().view(shape)


def state(config: dict[str, Any] = CONFIG) -> dict[str, Tensor]:
    """Every tensor of the original's class under its name."""
    page = RELEASE.system(config)
    own = PretrainModel(page, **SIZES).state_dict()
    found = {
        rule.source: filled(rule.source, tuple(rule.place(own[rule.target]).shape)) for rule in RELEASE.rules(page)
    }
    if config.get("training_head_type") != "nlvr":
        found[TIED] = found["bert.embeddings.word_embeddings.weight"]
    return found


def model_of(config: dict[str, Any] = CONFIG) -> PretrainModel:
    model, report = convert(RELEASE, config, state(config))
    assert report.unfilled == ()
    assert set(report.left) <= {TIED}
    return model.eval()


def batch_of() -> Batch:
    ids = torch.tensor([1, 5, 6, 7, 2, 1, 8, 2])
    real = torch.tensor([0, 1, 3, 4, 5])  # the first picture's third region is padding
    words, regions = torch.zeros(8).long(), torch.zeros(5).long()
    return Batch(
        text=Text(
            ids, torch.tensor([0, 1, 2, 3, 4, 0, 1, 2]), words, words, words > 0, words - 1, torch.tensor([0, 5, 8])
        ),
        region=Region(
            features=(0.3 * torch.arange(48.0)).cos().view(6, 8)[real],
            boxes=torch.zeros(5, 4),
            location=torch.zeros(5, 0),
            segment=regions,
            class_probs=torch.zeros(5, 0),
            attributes=regions - 1,
            masked=regions > 0,
            whole=regions > 0,
            offsets=torch.tensor([0, 2, 5]),
        ),
        matched=torch.tensor([True, False]),
        position=torch.arange(2),
    )


def near(found: Tensor, expected: Any) -> None:
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=2e-6)


@torch.no_grad()
def test_values_of_the_original() -> None:
    model = model_of()
    view = model.view(batch_of())
    logits = model.heads["mlm"](view.encoded.text)
    near(logits[2, :3], [0.217910, 0.063136, -0.022196])
    words = Targets(torch.tensor([2, 6]), torch.tensor([9, 4]), 2.0)
    near(model.objectives["mlm"].loss(model.heads["mlm"], view, words).mean, 3.884647)
    near(model.heads["itm"](view.pooled()), [[-0.061263, 0.022520], [-0.061218, 0.022454]])
    rows = Targets(torch.arange(2), torch.tensor([1, 0]), 2.0)
    near(model.objectives["itm"].loss(model.heads["itm"], view, rows).mean, 0.693995)


def test_the_published_configs_are_the_page() -> None:
    assert RELEASE.system(RELEASE.published) == VISUALBERT
    theirs = TRANSFORMERS_RELEASE.system(VisualBertConfig().to_dict())
    assert theirs.layout.region_segment == 1
    assert (theirs.schedule, theirs.region, theirs.text) == (VISUALBERT.schedule, VISUALBERT.region, VISUALBERT.text)
    assert RELEASE.sizes(state()) == SIZES
    with torch.device("meta"):
        assert count_parameters(PretrainModel(VISUALBERT, 30522, 2048, 0)) == 112_074_812


def test_published_files_carry_the_name_of_their_wrapper() -> None:
    wrapped = {f"bert.{name}": tensor for name, tensor in state().items()}
    model, _ = convert(RELEASE, CONFIG, wrapped)
    own = model_of().state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.state_dict().items())


def test_a_statement_head_is_the_match_alone() -> None:
    model = model_of(CONFIG | {"training_head_type": "nlvr"})
    assert list(model.heads) == ["itm"]
    assert isinstance(model.objectives["itm"], ITM)
    assert torch.equal(model.state_dict()["heads.itm.linear.weight"], filled("classifier.weight", (2, 16)))
    with pytest.raises(ConfigError, match="head 'vqa' has no counterpart"):
        RELEASE.system(CONFIG | {"training_head_type": "vqa"})


@torch.no_grad()
def test_bypass_lets_the_regions_in_at_one_last_layer() -> None:
    config = CONFIG | {"bypass_transformer": True}
    model, batch = model_of(config), batch_of()
    assert model.system.schedule == 2 * text_layer() + joint_layer()
    seen: dict[int, Tensor] = {}
    encoded = model.trunk(batch, lambda index, streams: seen.update({index: streams["text"]}))
    # The last layer as transformers writes it, on the words' states and the regions' embeddings of the first row.
    layer: nn.Module = VisualBertLayer(VisualBertConfig(**CONFIG, attn_implementation="eager")).eval()
    prefix = "bert.additional_layer."
    layer.load_state_dict({k.removeprefix(prefix): v for k, v in state(config).items() if k.startswith(prefix)})
    together = torch.cat([seen[3][:5], model.trunk.embed(batch)["region"][:2]])[None]
    out = layer(together)
    out = out[0] if isinstance(out, tuple) else out
    near(encoded.text[:5], out[0, :5].tolist())
    near(encoded.region[:2], out[0, 5:].tolist())


@torch.no_grad()
def test_linked_regions_have_the_mean_position_of_their_words() -> None:
    trunk, batch = model_of().trunk, batch_of()
    linked = torch.tensor([[1, 3, 3], [-1, -1, -1], [2, -1, -1], [-1, -1, -1], [-1, -1, -1]])
    region = dataclasses.replace(batch.region, linked=linked)
    layers, table = trunk.region.linear, trunk.text.tables["position"].weight
    plain = layers["feature"](region.features) + layers["position"].weight[0] + layers["segment"].weight[0]
    plain[0] += (table[1] + 2 * table[3]) / 3
    plain[2] += table[2]
    embedded = trunk.embed(dataclasses.replace(batch, region=region))["region"]
    near(embedded, trunk.text.norm(plain).tolist())


def test_the_regions_tables_begin_as_the_words() -> None:
    trunk = PretrainModel(RELEASE.system(CONFIG), **SIZES).trunk
    for name in ("position", "segment"):
        own, words = trunk.region.linear[name].weight, trunk.text.tables[name].weight
        assert own is not words
        assert torch.equal(own, words)


@torch.no_grad()
def test_the_order_of_regions_means_nothing() -> None:
    trunk, batch = model_of().trunk, batch_of()
    order = torch.tensor([1, 0, 4, 2, 3])
    moved = dataclasses.replace(batch.region, features=batch.region.features[order])
    before, after = trunk(batch), trunk(dataclasses.replace(batch, region=moved))
    near(after.text, before.text.tolist())
    near(after.region, before.region[order].tolist())
