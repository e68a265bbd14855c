from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import PAGES, shake, tiny

from iconotext.core.batch import Batch
from iconotext.core.errors import DataError
from iconotext.heads.pool import Concat, Product
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.schedule import apart, co_layer, text_layer, twin_layer
from iconotext.systems.b2t2 import B2T2
from iconotext.systems.co_concat import CO_CONCAT
from iconotext.systems.dual_encoder import DUAL_ENCODER
from iconotext.systems.unimo import UNIMO
from iconotext.systems.vilbert import VILBERT
from iconotext.systems.vilt import VILT
from iconotext.systems.vl_bert import VL_BERT
from iconotext.systems.vlp import VLP
from iconotext.tasks.exhaustive import Exhaustive
from iconotext.tasks.retrieval import matching, scoring

SYSTEMS = {
    **PAGES,
    "uniter, pre": dataclasses.replace(PAGES["uniter"], norm="pre"),
    "vilbert, pre": dataclasses.replace(PAGES["vilbert"], norm="pre"),
    "vl_bert": tiny(VL_BERT),
    "vlp": tiny(VLP),
    "b2t2": tiny(B2T2, schedule=2 * text_layer()),
    "vilt": tiny(VILT),
    "unimo": tiny(UNIMO, UNIMO.mix, pool=Product(12)),
    "co-attention": tiny(CO_CONCAT, schedule=twin_layer() + co_layer(), pool=Concat(12)),
    "two vectors": tiny(DUAL_ENCODER, DUAL_ENCODER.mix, schedule=2 * twin_layer(), pool=Product(12)),
    "dual encoder": tiny(VILBERT, schedule=2 * twin_layer(), norm="pre"),
}
TEXTS = ["a red dog", "there is a green cat and a blue tree", "a cup", "", "a red dog and a green cup"]
IMAGES = ["test-3", "train-0", "test-1", "validation-2"]


def model_for(toy, page) -> PretrainModel:
    torch.manual_seed(0)
    store = toy.store
    model = PretrainModel(page, toy.words.vocab.size, store.feature_dim, store.class_count, len(store.attribute_names))
    shake(model)
    return model.eval()


def exhaustive(toy, model: PretrainModel, batch: int) -> Exhaustive:
    score = scoring(model)
    assert score is not None
    return Exhaustive(model.trunk, score, toy.seats(model.system), toy.store, "fp32", batch)


def one_by_one(toy, model: PretrainModel) -> np.ndarray:
    """The same scores through the whole model, a pair at a time."""
    head, seats = matching(model), toy.seats(model.system)
    towers = model.heads["contrastive"] if head is None else None

    def score(text: str, image: str) -> float:
        one = np.ones(1, np.bool_)
        batch: Batch = seats.batch(toy.words.encode([text]), toy.store.gather([image]), one, np.zeros(1, np.int64))
        if head is not None:
            return float(head(model.encode(batch)[1]))
        encoded = model.trunk(batch)
        return float(torch.dot(towers.texts(encoded)[0], towers.images(encoded)[0]))

    with torch.no_grad():
        return np.array([[score(text, image) for image in IMAGES] for text in TEXTS])


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
@pytest.mark.parametrize("page", SYSTEMS.values(), ids=SYSTEMS)
def test_all_pairs_at_once_score_as_one_by_one(toy, page, batch: int) -> None:
    model, told = model_for(toy, page), []
    scores = exhaustive(toy, model, batch).matrix(toy.words.encode(TEXTS), IMAGES, told.append)
    assert scores.dtype == np.float32
    assert sum(told) == scores.size
    assert max(told) <= batch
    assert np.abs(scores - one_by_one(toy, model)).max() < 2e-5


def test_what_streams_compute_alone_is_computed_once(toy) -> None:
    assert [apart(SYSTEMS[name].schedule) for name in ("uniter", "vilbert", "dual encoder")] == [0, 2, 4]
    model = model_for(toy, SYSTEMS["dual encoder"])
    seen = []
    model.trunk.encoder.sublayers[0].register_forward_hook(lambda *_: seen.append(1))
    exhaustive(toy, model, 1).matrix(toy.words.encode(TEXTS), IMAGES)
    assert len(seen) == 1 + len(TEXTS)


def test_blocks_of_images_join(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_for(toy, PAGES["vilbert"])
    whole = exhaustive(toy, model, 8).matrix(toy.words.encode(TEXTS), IMAGES)
    monkeypatch.setattr("iconotext.tasks.exhaustive.IMAGES", 3)
    assert np.allclose(exhaustive(toy, model, 8).matrix(toy.words.encode(TEXTS), IMAGES), whole, atol=1e-5)


def test_scores_are_as_fine_as_float32_in_any_precision(toy) -> None:
    model = model_for(toy, PAGES["uniter"])
    scorer = dataclasses.replace(exhaustive(toy, model, 8), precision="bf16")
    scores = scorer.matrix(toy.words.encode(TEXTS), IMAGES)
    assert (scores != torch.from_numpy(scores).bfloat16().float().numpy()).all()
    assert np.abs(scores - one_by_one(toy, model)).max() < 0.05


def test_scores_that_are_not_finite_are_refused(toy) -> None:
    model = model_for(toy, PAGES["uniter"])
    with torch.no_grad():
        model.trunk.pooler.text.bias.fill_(float("nan"))
    with pytest.raises(DataError, match="not finite"):
        exhaustive(toy, model, 8).matrix(toy.words.encode(TEXTS), IMAGES)
