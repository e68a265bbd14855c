"""VL-BERT's own code on weights that a formula fills: the values that it gives; the forms of its config."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from iconotext.convert import RELEASES, convert
from iconotext.convert.vl_bert import RELEASE, rules, system
from iconotext.core.batch import END, Batch, Region, Text
from iconotext.core.errors import DataError
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.pattern import Geometry
from iconotext.nn.streams import Streams
from iconotext.nn.terms import Appearance, WholeImage, Word
from iconotext.objectives.base import Corrupted, Targets
from iconotext.objectives.itm import ITM
from iconotext.objectives.mix import objectives
from iconotext.systems.vl_bert import VL_BERT

BERT = {
    "with_pooler": False,
    "visual_size": 16,
    "visual_ln": True,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 20,
    "type_vocab_size": 3,
}
CONFIG = {"WITH_MVRC_LOSS": True, "coordinate_dim": 2, "VLBERT": BERT}
SIZES = {"vocabulary": 50, "feature_dim": 8, "classes": 7}


def filled(key: str, shape: tuple[int, ...]) -> Tensor:
    """The fill of the recorded values: a sine whose phase comes from the key."""
    phase = sum(map(ord, key)) % 97
    values = 0.1 * torch.sin(0.1 * torch.arange(1, math.prod(shape) + 1, dtype=torch.float64) + phase)
    if key.endswith("weight") and ("LayerNorm" in key or "visual_ln" in key):
        values = values + 1
    return values.float().view(shape)


def state(config: dict[str, Any]) -> dict[str, Tensor]:
    """Every tensor that the config's module has, named and shaped as the original's."""
    page = system(config)
    own = PretrainModel(page, **SIZES).state_dict()
    found = {}
    for rule in rules(page):
        if rule.target in own and ("pooler" not in rule.target or config["VLBERT"]["with_pooler"]):
            shape = tuple(rule.place(own[rule.target]).shape)
            name = rule.source.removeprefix("vlbert.")
            found[rule.source] = filled(name, shape if rule.row is None else (1, *shape))
    found["object_linguistic_embeddings.weight"] = torch.sin(0.1 * torch.arange(16.0))[None]
    found["vlbert.mlm_head.predictions.decoder.weight"] = found["vlbert.word_embeddings.weight"]
    return found


def batch() -> Batch:
    ids = torch.tensor([5, 6, 7, 8, END, 5, 6, 8, END])
    zeros, none = torch.zeros(9).long(), torch.zeros(5, dtype=torch.bool)
    text = Text(
        ids=ids,
        position=torch.tensor([0, 1, 2, 3, 5, 0, 1, 2, 4]),
        segment=torch.where(ids == END, 2, 0),
        word=zeros,
        special=ids == END,
        link=zeros - 1,
        offsets=torch.tensor([0, 5, 9]),
    )
    region = Region(
        features=torch.zeros(5, 8),
        boxes=torch.zeros(5, 4),
        location=torch.zeros(5, 4),
        segment=torch.full((5,), 2),
        class_probs=torch.zeros(5, 7),
        attributes=torch.full((5,), -1),
        masked=none,
        whole=none,
        offsets=torch.tensor([0, 3, 5]),
    )
    return Batch(text, region, torch.ones(2, dtype=torch.bool), torch.arange(2))


@torch.no_grad()
def test_values_of_the_original() -> None:
    model, report = convert(RELEASE, CONFIG, state(CONFIG))
    assert report.unfilled == ("trunk.pooler.text.bias", "trunk.pooler.text.weight")
    trunk, pairs = model.eval().trunk, batch()
    looks = (0.3 * torch.arange(96.0)).cos().view(6, 16)[:5]  # the second picture's third region is padding
    embedded = Streams.of(trunk.text(pairs.text, trunk.text.looks(looks, pairs)), trunk.region(pairs, looks))
    states = trunk.encoder(embedded, Geometry(pairs))
    words, regions = model.heads["mlm"](states["text"]), model.heads["mrc_soft"](states["region"])
    for found, expected in (
        (words[2, :4], [-0.066020, 0.076333, -0.115895, -0.235920]),
        (words[6, :3], [0.076896, -0.084562, -0.249414]),
        (regions[2, :4], [0.095918, -0.074309, 0.108309, 0.271343]),
        (regions[4, :3], [0.080014, 0.026293, 0.118338]),
    ):
        torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=2e-6)


TOKENS = ("word 0", "word 1", "word 7", "region 2", "region 3", "word 8")
FORMS: dict[str, tuple[dict[str, Any], list[list[float]]]] = {
    "as published": (
        {},
        [
            [1.581357, 1.561382, 1.425558],
            [1.604883, 1.570059, 1.424836],
            [-0.112672, -0.42925, -0.700227],
            [-1.728853, -1.537684, -1.256447],
            [-0.479022, -0.707717, -0.884109],
            [-1.893058, -1.519734, -1.157341],
        ],
    ),
    "numbers in place of norms": (
        {"visual_ln": False},
        [
            [1.39727, 1.49286, 1.417963],
            [1.747374, 1.625177, 1.417983],
            [-0.332385, -0.587317, -0.792661],
            [-1.725865, -1.380915, -1.06836],
            [-1.981026, -1.556231, -1.145529],
            [-1.893058, -1.519734, -1.157341],
        ],
    ),
    "features of another width": (
        {"visual_size": 12},
        [
            [-1.213128, -0.696645, 0.697285],
            [-1.137608, -0.630871, 0.764334],
            [0.041262, 1.21349, 0.871558],
            [-0.583587, 0.90857, 0.707363],
            [-0.136282, -1.414263, -1.373912],
            [-1.893058, -1.519734, -1.157341],
        ],
    ),
    "both": (
        {"visual_size": 12, "visual_ln": False},
        [
            [-1.938493, -1.406139, -0.338491],
            [0.731872, 0.851541, 1.687077],
            [-0.554696, 0.635452, 0.316028],
            [-1.700175, -1.55065, -1.21872],
            [-1.771048, -1.288675, -0.992471],
            [-1.893058, -1.519734, -1.157341],
        ],
    ),
    "a frozen word table": (
        {"word_embedding_frozen": True, "num_special_words": 6},
        [
            [1.572008, 1.554568, 1.417036],
            [1.604883, 1.570059, 1.424836],
            [-0.112672, -0.42925, -0.700227],
            [-1.728853, -1.537684, -1.256447],
            [-0.479022, -0.707717, -0.884109],
            [-1.893058, -1.519734, -1.157341],
        ],
    ),
    "places that begin at two": (
        {"position_padding_idx": 1},
        [
            [1.606804, 1.57082, 1.425085],
            [1.599339, 1.565711, 1.417961],
            [-0.196272, -0.48635, -0.732636],
            [-1.719773, -1.535387, -1.257315],
            [-0.436738, -0.682902, -0.87521],
            [1.885431, 1.59232, 1.300392],
        ],
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
def test_embeddings_of_the_original_in_every_form(form: str) -> None:
    """Recorded from VisualLinguisticBert.embedding with the same weights; NUM_SPECIAL_WORDS is 6 there."""
    changes, expected = FORMS[form]
    config = {**CONFIG, "VLBERT": {**BERT, **changes}}
    trunk, pairs = convert(RELEASE, config, state(config))[0].eval().trunk, batch()
    width = config["VLBERT"]["visual_size"]
    looks = (0.3 * torch.arange(6.0 * width)).cos().view(6, width)[:5]
    found = {"word": trunk.text(pairs.text, trunk.text.looks(looks, pairs)), "region": trunk.region(pairs, looks)}
    for token, numbers in zip(TOKENS, expected, strict=True):
        stream, place = token.split()
        torch.testing.assert_close(found[stream][int(place), :3], torch.tensor(numbers), rtol=0, atol=2e-6)


def test_the_published_config_is_the_page() -> None:
    assert system(RELEASE.published) == VL_BERT
    large = {"visual_size": 1024, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    bert = {**RELEASE.published["VLBERT"], **large, "intermediate_size": 4096}
    assert system({**RELEASE.published, "VLBERT": bert}) == VL_BERT.at("large")


@pytest.mark.parametrize(
    "changes",
    [
        {"visual_ln": False},
        {"visual_size": 12},
        {"visual_size": 12, "visual_ln": False},
        {"word_embedding_frozen": True, "num_special_words": 6},
        {"with_pooler": True},
        {"position_padding_idx": 1},
    ],
    ids=str,
)
def test_every_form_of_the_config_has_a_place_for_each_tensor(changes: dict[str, Any]) -> None:
    config = {**CONFIG, "WITH_REL_LOSS": True, "VLBERT": {**BERT, **changes}}
    model, report = convert(RELEASE, config, state(config))
    assert all("pooler" in name for name in report.unfilled)
    assert model.eval()(_corrupted())["itm"].mean.isfinite()


def _corrupted() -> Corrupted:
    rows = Targets(torch.arange(2), torch.ones(2).long(), 2.0)
    return Corrupted(batch(), {"itm": rows})


def test_what_the_config_says_is_on_the_page() -> None:
    page = system({**CONFIG, "VLBERT": {**BERT, "visual_size": 12, "visual_ln": False, "word_embedding_frozen": True}})
    word, *_, carried = page.text.terms
    assert word == Word(end=True, learned=1000)
    assert carried == WholeImage(width=12, gain="scale")
    assert page.region.terms[0] == Appearance(sines=2, width=12, gain="scale")
    losses = {"MLM_LOSS_NORM_IN_BATCH_FIRST": True, "MVRC_LOSS_NORM_IN_BATCH_FIRST": True, "WITH_REL_LOSS": True}
    found = objectives(system({**CONFIG, **losses}).mix)
    assert [o.per for o in found if not isinstance(o, ITM)] == ["row", "row"]
    assert isinstance(found[-1], ITM)


def test_frozen_words_do_not_learn_but_the_first_do() -> None:
    config = {**CONFIG, "VLBERT": {**BERT, "word_embedding_frozen": True, "num_special_words": 6}}
    model, _ = convert(RELEASE, config, state(config))
    model.trunk(batch()).text.square().sum().backward()
    text = model.trunk.text
    assert not text.words.weight.requires_grad
    assert text.words.weight.grad is None
    assert text.learned.weight.grad[5].any()
    assert not text.learned.weight.grad[:5].any()  # ids 0 to 4 are not in the batch


def test_the_detector_is_left_out_and_an_unknown_tensor_is_refused() -> None:
    tensors = state(CONFIG)
    pixels = {"image_feature_extractor.backbone.conv1.weight": torch.zeros(1)}
    _, report = convert(RELEASES["vl_bert"], CONFIG, {**tensors, **pixels})
    assert report.left["image_feature_extractor.backbone.conv1.weight"] == "the detector, which reads pixels"
    with pytest.raises(DataError, match=r"vlbert\.other"):
        convert(RELEASE, CONFIG, {**tensors, "vlbert.other.weight": torch.zeros(1)})
