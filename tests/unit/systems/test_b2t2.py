"""B2T2's page: regions in the words that name them."""

from __future__ import annotations

import dataclasses

import torch
from samples import CLASSES, FEATURES, VOCAB, batch_of, model_of, tiny

from iconotext.core.batch import Batch
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.nn.schedule import text_layer
from iconotext.systems.b2t2 import B2T2

PAGE = tiny(B2T2, schedule=2 * text_layer(), mix=B2T2.mix)
LINKS = [0, -1, 2, -1, -1, 0, -1, 1, -1]
"""Of [CLS] w w w [SEP] with three regions and the whole image before them, and [CLS] w w [SEP] without any."""


def linked() -> Batch:
    batch = batch_of(PAGE, [3, 2], [3, 0])
    return dataclasses.replace(batch, text=dataclasses.replace(batch.text, link=torch.tensor(LINKS)))


def test_it_is_one_stream_that_no_side_can_leave() -> None:
    assert B2T2.streams == "single-stream"
    assert not B2T2.separable
    with torch.device("meta"):
        model = PretrainModel(B2T2, 30522, 2048, 0)
        assert not model.trunk.embeds_apart
        assert count_parameters(model.trunk.region) == 2048 * 768 + 768


@torch.no_grad()
def test_a_word_carries_the_region_that_it_names_and_every_other_word_the_bias() -> None:
    batch, trunk = linked(), model_of(PAGE).trunk
    feature = trunk.region.feature
    words, added = trunk.text(batch.text), trunk.embed(batch)["text"]
    for word, link in enumerate(LINKS):
        there = link >= 0 and word < 5
        region = batch.region.features[link] if there else torch.zeros(FEATURES)
        torch.testing.assert_close(added[word], words[word] + feature(region).tanh())


@torch.no_grad()
def test_a_region_that_no_word_names_changes_nothing() -> None:
    batch, trunk = linked(), model_of(PAGE).trunk
    features = batch.region.features.clone()
    features[[1, 3]] += 1
    other = dataclasses.replace(batch, region=dataclasses.replace(batch.region, features=features))
    assert torch.equal(trunk(batch).text, trunk(other).text)
    features[2] += 1
    changed = (trunk(batch).text != trunk(other).text).any(1)
    assert changed.tolist() == [True] * 5 + [False] * 4


def test_the_words_teach_the_map_of_the_features() -> None:
    torch.manual_seed(0)
    model = PretrainModel(PAGE, VOCAB.size, FEATURES, CLASSES)
    model.trunk(linked()).text.square().sum().backward()
    weight = model.trunk.region.feature.weight
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0
