"""A pair against pairs that do not belong together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import PAGES, VOCAB, batch_of, model_of, select
from torch import nn

from iconotext.core.batch import Encoded
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.objectives.base import Rewrites, View
from iconotext.objectives.contrastive import Contrastive, CrossModalContrastive, share
from iconotext.objectives.mix import negatives

PAGE = PAGES["vilbert"]
BATCH = batch_of(PAGE, [2, 3, 2, 1], [3, 2, 3, 1])
DRAW = Draw(0, 0, np.arange(4))
EMPTY = Encoded(torch.zeros(0, 1), torch.zeros(0, 1), torch.zeros(5).long(), torch.zeros(5).long())


def test_share_of_one_is_the_cross_entropy() -> None:
    scores = torch.tensor([[1.0, 2, 3], [0, -1, 5]])
    positive = torch.tensor([[False, True, False], [True, False, False]])
    expected = nn.functional.cross_entropy(scores, torch.tensor([1, 0]), reduction="none")
    torch.testing.assert_close(share(scores, positive), expected)


def test_share_of_several_adds_their_probabilities() -> None:
    scores = torch.tensor([[1.0, 2, 3]])
    positive = torch.tensor([[True, False, True]])
    expected = -scores.softmax(1)[:, [0, 2]].sum().log()
    torch.testing.assert_close(share(scores, positive)[0], expected)


def test_rows_of_one_image_or_of_one_text_belong_together() -> None:
    batch = select(BATCH, [0, 1, 2, 0])
    _, targets = Contrastive().corrupt(batch, batch, DRAW, VOCAB)
    assert targets.values.long().tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
    same_text = dataclasses.replace(BATCH, text=batch.text)
    _, targets = Contrastive().corrupt(same_text, same_text, DRAW, VOCAB)
    assert targets.values.long().tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]


def test_in_batch_loss_is_the_mean_of_both_directions() -> None:
    scores = torch.tensor([[3.0, 1, 0, 2], [0, 1, 2, 1], [1, 1, 1, 0], [0, 4, 0, 2]])
    _, targets = Contrastive().corrupt(BATCH, BATCH, DRAW, VOCAB)
    assert torch.equal(targets.values, torch.eye(4).bool())

    class Scores(nn.Module):
        def forward(self, encoded: Encoded) -> torch.Tensor:
            return scores

    found = Contrastive().loss(Scores(), View(EMPTY, None, BATCH), targets)
    diagonal = torch.arange(4)
    rows, columns = (nn.functional.cross_entropy(s, diagonal) for s in (scores, scores.t()))
    torch.testing.assert_close(found.mean, (rows + columns) / 2)


def test_a_row_with_one_side_only_is_left_out() -> None:
    batch = batch_of(PAGE, [2, 0, 2, 1], [3, 2, 0, 1])
    _, targets = Contrastive().corrupt(batch, batch, DRAW, VOCAB)
    assert targets.positions.tolist() == [0, 3]
    assert targets.count == 2
    assert targets.values.shape == (2, 2)


def test_groups_are_scored_by_the_share_of_their_matched_rows() -> None:
    objective = CrossModalContrastive(Rewrites(0, 1))
    assert negatives([objective]) == Rewrites(0, 1)
    assert Rewrites(1, 2).group == 4
    batch = dataclasses.replace(BATCH, group=2, matched=torch.tensor([True, False, True, False]))
    _, targets = objective.corrupt(batch, batch, DRAW, VOCAB)
    assert targets.count == 2
    logits = torch.tensor([[1.0], [0], [-2], [1]])
    found = objective.loss(nn.Identity(), View(EMPTY, lambda: logits, batch), targets)
    expected = nn.functional.cross_entropy(logits.view(2, 2), torch.tensor([0, 0]))
    torch.testing.assert_close(found.mean, expected)


def test_pairs_that_are_no_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs groups"):
        CrossModalContrastive().corrupt(BATCH, BATCH, DRAW, VOCAB)


@pytest.mark.parametrize("objective", [Contrastive(width=8), CrossModalContrastive(Rewrites(0, 1))])
def test_gradients_reach_both_sides(objective) -> None:  # type: ignore[no-untyped-def]
    model = model_of(dataclasses.replace(PAGE, mix=objective))
    batch = dataclasses.replace(BATCH, group=2, matched=torch.tensor([True, False, True, False]))
    corrupted, targets = objective.corrupt(batch, batch, DRAW, VOCAB)
    loss = objective.loss(model.heads[objective.name], model.view(corrupted), targets)
    loss.mean.backward()
    for embedder in (model.trunk.text, model.trunk.region):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in embedder.parameters())
