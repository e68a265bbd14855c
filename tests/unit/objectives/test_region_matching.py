"""Hidden places find their regions: nobody reads what is hidden, and the loss is that of the plain formula."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import PAGES, VOCAB, batch_of, model_of, tiny
from torch import nn

from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.nn.pattern import Geometry
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import corrupt
from iconotext.objectives.region_matching import RegionMatching
from iconotext.systems.visualbert import VISUALBERT
from iconotext.systems.vlp import VLP

MATCHING = RegionMatching(RegionMasks(0.5))
PAGE = tiny(VLP, MATCHING)
BATCH = batch_of(PAGE, [3, 2, 4], [5, 4, 0])
DRAW = Draw(0, 0, np.arange(3))


def test_no_token_sees_a_hidden_region_and_the_rest_see_as_ever() -> None:
    seen = corrupt((MATCHING,), BATCH, DRAW, VOCAB).batch
    both = ("text", "region")
    for pattern in ("full", "seq2seq"):
        batch = dataclasses.replace(seen, pattern=pattern)
        geometry = Geometry(batch)
        mask = geometry.mask(both, both, torch.float32)
        plain = Geometry(dataclasses.replace(batch, hidden_read=True)).mask(both, both, torch.float32)
        assert mask is not None
        assert plain is not None
        slots = geometry.rectangle(both).slot[len(batch.text.ids) :]
        hidden = torch.zeros_like(geometry.rectangle(both).filled).flatten()
        hidden[slots] = batch.region.masked
        hidden = hidden.view_as(geometry.rectangle(both).filled)
        assert hidden.any()
        open_slots = (plain == 0) & ~hidden[:, None, None]
        assert torch.equal(mask == 0, open_slots.expand_as(mask))


def test_a_word_that_could_only_read_hidden_regions_reads_nothing() -> None:
    region = dataclasses.replace(BATCH.region, masked=torch.tensor([True] * 5 + [True, False, True, True]))
    geometry = Geometry(dataclasses.replace(BATCH, region=region, hidden_read=False))
    blind = geometry.blind("text", ("region",))
    assert blind is not None
    assert blind[:, 0].tolist() == [True] * 5 + [False] * 4 + [True] * 6
    assert geometry.blind("text", ("text", "region")) is None


@torch.no_grad()
def test_what_is_hidden_says_nothing() -> None:
    model = model_of(PAGE)
    found = corrupt((MATCHING,), BATCH, DRAW, VOCAB)
    hidden = found.batch.region.masked
    moved = {}
    for name in ("features", "location", "class_probs"):
        value = getattr(found.batch.region, name)
        moved[name] = torch.where(hidden[:, None], value.flip(1) * 3 + 1, value)
    before = model.trunk(found.batch)
    after = model.trunk(dataclasses.replace(found.batch, region=dataclasses.replace(found.batch.region, **moved)))
    assert torch.equal(before.text, after.text)
    assert torch.equal(before.region, after.region)


def test_the_loss_is_the_mean_over_images_of_the_mean_over_their_hidden_places() -> None:
    model = model_of(PAGE)
    found = corrupt((MATCHING,), BATCH, DRAW, VOCAB)
    targets = found.targets["region_matching"]
    assert torch.equal(targets.values, BATCH.region.features[targets.positions])
    assert targets.count == 2  # images with regions
    maps, pooled = model.trunk.region.linear, model.encode(found.batch)[1]
    location = nn.functional.layer_norm(BATCH.region.location, (6,))
    probs = nn.functional.layer_norm(BATCH.region.class_probs, BATCH.region.class_probs.shape[1:])
    places, looks = maps["location"](torch.cat([location, probs], 1)), maps["feature"](BATCH.region.features)
    expected = []
    for image, (begin, end) in enumerate(((0, 5), (5, 9))):
        own = [p for p in targets.positions.tolist() if begin <= p < end]
        scores = (places[own] + pooled[image]) @ looks[own].T
        expected.append(-scores.log_softmax(-1).diagonal().mean())
    loss = model(found)["region_matching"].mean
    torch.testing.assert_close(loss, torch.stack(expected).mean(), rtol=1e-5, atol=0)
    loss.backward()
    assert model.trunk.pooler.text.weight.grad.any()


def test_it_needs_features_and_places() -> None:
    with pytest.raises(ConfigError, match="Location"):
        model_of(tiny(VISUALBERT, MATCHING))
    model_of(dataclasses.replace(PAGES["uniter"], mix=MATCHING))
