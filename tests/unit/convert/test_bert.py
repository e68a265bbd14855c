"""BERT's configs and files."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel

from iconotext.convert import RELEASES, convert, recognise
from iconotext.core.errors import ConfigError
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.systems.bert import BERT

RELEASE = RELEASES["bert_hf"]
SMALL = BertConfig(
    vocab_size=30,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=9,
)


def test_the_published_config_is_the_page() -> None:
    assert RELEASE.system(BertConfig().to_dict()) == BERT
    large = BertConfig(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)
    assert RELEASE.system(large.to_dict()) == BERT.at("large")


def test_what_is_said_about_numbers_is_taken() -> None:
    page = RELEASE.system(SMALL.to_dict() | {"layer_norm_eps": 1e-5, "hidden_dropout_prob": 0.3})
    assert (page.eps, page.dropout, page.attention_dropout) == (1e-5, 0.3, 0.1)


@pytest.mark.parametrize(("key", "value"), [("hidden_act", "relu"), ("position_embedding_type", "relative_key")])
def test_another_function_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} is '{value}'"):
        RELEASE.system(SMALL.to_dict() | {key: value})


def test_an_encoder_alone_is_taken_and_its_heads_are_new() -> None:
    torch.manual_seed(0)
    state = BertModel(SMALL).state_dict()
    old = {k.replace("LayerNorm.weight", "LayerNorm.gamma"): v for k, v in state.items()}
    model, carried = convert(RELEASE, SMALL.to_dict(), {"embeddings.position_ids": torch.arange(9)[None], **old})
    assert all(name.startswith("heads.") for name in carried.unfilled)
    assert carried.left == {"bert.embeddings.position_ids": "the numbers 0, 1, 2 ..., not a weight"}
    assert count_parameters(model.trunk) == sum(tensor.numel() for tensor in state.values())
    assert recognise(RELEASES.values(), state, SMALL.to_dict()) is RELEASE


def test_what_an_encoder_without_pooler_lacks_is_new() -> None:
    state = BertModel(SMALL, add_pooling_layer=False).state_dict()
    _, carried = convert(RELEASE, SMALL.to_dict(), state)
    assert {name.split(".")[0] for name in carried.unfilled} == {"heads", "trunk"}
    assert [name for name in carried.unfilled if name.startswith("trunk")] == [
        "trunk.pooler.text.bias",
        "trunk.pooler.text.weight",
    ]


@pytest.mark.parametrize(("size", "expected"), [("base", 110_106_428), ("large", 336_226_108)])
def test_parameters_of_the_published_sizes(size: str, expected: int) -> None:
    with torch.device("meta"):
        assert count_parameters(PretrainModel(BERT.at(size), 30522, 0, 0)) == expected
