from __future__ import annotations

import numpy as np
import torch
from samples import PAGES

from iconotext.core.seed import Draw
from iconotext.tasks.base import Source
from iconotext.tasks.foils import Foils


def test_both_sentences_stand_with_the_same_picture(toy) -> None:
    examples = Foils().examples(Source(toy.data, toy.store, toy.words), "train", training=True)
    rows = np.array([3, 0])
    batch = examples.batch(rows, Draw(0, 0, rows), toy.seats(PAGES["uniter"])).batch
    assert batch.group == 2
    assert batch.matched.tolist() == [True, False] * 2
    text, region = batch.text, batch.region
    for pair, row in enumerate(rows):
        true, foil = (text.ids[text.offsets[i] : text.offsets[i + 1]].tolist() for i in (2 * pair, 2 * pair + 1))
        assert true[1:-1] == toy.words.encode([examples.rows[row]["text"]]).ids.tolist()
        assert foil[1:-1] == toy.words.encode([examples.rows[row]["swapped"]]).ids.tolist()
        one, other = (region.features[region.offsets[i] : region.offsets[i + 1]] for i in (2 * pair, 2 * pair + 1))
        assert torch.equal(one, other)


def test_the_loss_is_that_of_the_true_one_among_two(toy) -> None:
    examples = Foils().examples(Source(toy.data, toy.store, toy.words), "train", training=True)
    micro = examples.batch(np.arange(2), Draw(0, 0, np.arange(2)), toy.seats(PAGES["uniter"]))
    loss = Foils().loss(torch.tensor([[2.0, 0.0], [-1.0, 1.0]]), micro)
    assert loss.count == 2
    np.testing.assert_allclose(loss.sum, np.log1p(np.exp(-2)) + np.log1p(np.exp(2)), rtol=1e-6)


def test_equal_scores_are_half_right(toy) -> None:
    examples = Foils().examples(Source(toy.data, toy.store, toy.words), "train", training=False)
    said = examples.said(np.arange(3), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))
    assert said["accuracy"].tolist() == [1.0, 0.0, 0.5]
    assert said["predicted"].tolist()[:2] == [examples.rows[0]["text"], examples.rows[1]["swapped"]]
