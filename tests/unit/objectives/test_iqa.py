"""Image question answering in pre-training."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from samples import PAGES, VOCAB, batch_of
from torch import nn

from iconotext.core.batch import Encoded
from iconotext.core.seed import Draw
from iconotext.objectives.base import View
from iconotext.objectives.iqa import IQA

PLAIN = batch_of(PAGES["uniter"], [2] * 5, [3] * 5)
BATCH = dataclasses.replace(PLAIN, answers=torch.tensor([2, 1, -1, 0, 2]))
DRAW = Draw(0, 0, np.arange(5))


def test_questions_asked_of_their_own_image_are_scored() -> None:
    assert BATCH.matched.tolist() == [True, False, True, True, False]
    corrupted, targets = IQA().corrupt(BATCH, BATCH, DRAW, VOCAB)
    assert corrupted is BATCH
    assert (targets.positions.tolist(), targets.values.tolist(), targets.count) == ([0, 3], [2, 0], 2.0)


def test_texts_without_answers_score_nothing() -> None:
    assert (PLAIN.answers == -1).all()
    assert IQA().corrupt(PLAIN, PLAIN, DRAW, VOCAB)[1].count == 0


def test_loss_is_the_mean_over_questions() -> None:
    _, targets = IQA().corrupt(BATCH, BATCH, DRAW, VOCAB)
    logits = torch.tensor([[0.0, 1, 2], [9, 9, 9], [9, 9, 9], [2.0, 0, -1], [9, 9, 9]])
    empty = torch.zeros(0, 1)
    view = View(Encoded(empty, empty, torch.zeros(2).long(), torch.zeros(2).long()), lambda: logits, BATCH)
    expected = -(logits[0].log_softmax(0)[2] + logits[3].log_softmax(0)[0]) / 2
    torch.testing.assert_close(IQA().loss(nn.Identity(), view, targets).mean, expected)
