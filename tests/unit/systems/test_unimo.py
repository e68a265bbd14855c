"""UNIMO's page: groups of rewritten texts in its training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from samples import batch_of, model_of, tiny
from toy_data import make_data, make_store, make_words

from iconotext.data.pair import PairTable
from iconotext.data.sampler import LengthSampler
from iconotext.heads.pool import Product
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import Trunk, count_parameters
from iconotext.objectives.contrastive import CrossModalContrastive
from iconotext.recipes.material import PretrainStream, seating
from iconotext.systems.unimo import UNIMO


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> PretrainStream:
    folder = tmp_path_factory.mktemp("toy")
    data, store = make_data(folder / "data"), make_store(Path(folder / "store"))
    words = make_words(data)
    pairs, page = PairTable(data, "train", words, store), UNIMO.at("tiny")
    sampler = LengthSampler(pairs.lengths(page.layout.max_words, page.layout.max_regions), 16, 0)
    return PretrainStream(pairs, seating(page, words.vocab), CrossModalContrastive(), sampler, 0, 10)


def test_a_batch_of_groups_is_as_large_as_one_of_pairs(stream: PretrainStream) -> None:
    micro = stream(3)
    batch, targets = micro.batch, micro.targets["cmcl"]
    assert batch.group == 4
    assert len(batch) == 16
    assert targets.count == 4
    assert targets.values.shape == (4, 4)
    assert targets.values[:, 0].all()
    assert not targets.values.all(1).any()
    features, counts = batch.region.features, batch.region.offsets.diff().tolist()
    for group in range(4):
        images = torch.split(features, counts)[4 * group : 4 * group + 4]
        assert all(torch.equal(image, images[0]) for image in images)


def test_a_step_on_groups(stream: PretrainStream) -> None:
    torch.manual_seed(0)
    store, vocab = stream.pairs.store, stream.seats.vocab
    model = PretrainModel(UNIMO.at("tiny"), vocab.size, store.feature_dim, store.class_count)
    losses = model(stream(3))
    losses["cmcl"].mean.backward()
    assert 0 < losses["cmcl"].mean.item() < 5
    assert model.trunk.pooler.region.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_words_have_no_segments_and_begin_at_position_2() -> None:
    page = tiny(UNIMO, UNIMO.mix, pool=Product(12))
    trunk, text = model_of(page).trunk, batch_of(page, [2], [1]).text
    tables = trunk.text.tables
    assert set(tables) == {"word", "position"}
    expected = trunk.text.norm(tables["word"](text.ids) + tables["position"].weight[2:6])
    assert torch.equal(trunk.text(text), expected)


def test_parameters_of_the_published_names() -> None:
    """Counted from the shapes of the published names."""
    d, words, layer = 768, 50265, 4 * (768**2 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    embeddings = (words + 514) * d + 2048 * d + d + 5 * d + d + 4 * d
    with torch.device("meta"):
        assert count_parameters(Trunk(UNIMO, words, 2048)) == 12 * layer + embeddings + 2 * (d * d + d)
