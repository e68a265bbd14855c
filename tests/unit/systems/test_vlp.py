"""Unified VLP's page: its size, and what it reads of a region."""

from __future__ import annotations

import dataclasses

import torch
from samples import FEATURES, VOCAB, batch_of, model_of, tiny

from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.systems.vlp import VLP

PAGE = tiny(VLP, VLP.mix)


def test_parameters_of_the_original_class() -> None:
    """Counted from the shapes of the published names."""
    d, words = 768, 28996
    layer = 4 * (d * d + d) + 2 * d * 3072 + 3072 + d + 4 * d
    regions = (2048 * 2048 + 2048) + (2048 * d + d) + (1607 * d + d)
    head = d * d + d + 2 * d + words
    expected = 12 * layer + (words + 512 + 6 + 2) * d + regions + head + (d * d + d)
    with torch.device("meta"):
        assert count_parameters(PretrainModel(VLP, words, 2048, 1601)) == expected


@torch.no_grad()
def test_regions_are_read_by_box_score_and_classes() -> None:
    model, batch = model_of(PAGE), batch_of(PAGE, [2], [3])
    before = model.trunk.embed(batch)["region"]
    for name in ("features", "location", "class_probs"):
        value = getattr(batch.region, name).clone()
        value[1] = value[1].roll(1) + torch.arange(value.shape[1]) / 7
        after = model.trunk.embed(dataclasses.replace(batch, region=dataclasses.replace(batch.region, **{name: value})))
        assert (before != after["region"]).any(1).tolist() == [False, True, False], name


@torch.no_grad()
def test_only_the_shape_of_box_and_classes_counts_not_their_size() -> None:
    """Both are brought to mean 0 and deviation 1, each by itself."""
    model, batch = model_of(PAGE), batch_of(PAGE, [2], [3])
    grown = dataclasses.replace(
        batch.region, location=1000 * batch.region.location + 3, class_probs=1000 * batch.region.class_probs
    )
    large = dataclasses.replace(batch, region=grown)
    larger = dataclasses.replace(batch, region=dataclasses.replace(grown, location=10 * grown.location))
    torch.testing.assert_close(model.trunk.embed(large)["region"], model.trunk.embed(larger)["region"])


def test_a_store_without_classes_will_do() -> None:
    model = PretrainModel(PAGE, VOCAB.size, FEATURES, 0)
    batch = batch_of(PAGE, [2], [3])
    bare = dataclasses.replace(batch, region=dataclasses.replace(batch.region, class_probs=torch.zeros(3, 0)))
    assert model.trunk.region.linear["location"][0].in_features == 6
    assert model.encode(bare)[1].isfinite().all()
