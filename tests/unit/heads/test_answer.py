"""Answers read off the first two words instead of the pooled pair."""

from __future__ import annotations

import dataclasses

import torch
from samples import CLASSES, FEATURES, VOCAB, batch_of, model_of, tiny
from torch import nn

from iconotext.core.batch import Encoded
from iconotext.heads.answer import AnswerHead, AnswerHeadKind
from iconotext.heads.pool import first_two
from iconotext.models.task import TaskKind, TaskModel
from iconotext.objectives.base import Targets, View
from iconotext.objectives.iqa import IQA
from iconotext.systems.vlp import VLP

FORM = AnswerHeadKind("plain", hidden=2.0, reads="first two")


def encoded(lengths: list[int]) -> Encoded:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    text = torch.randn(int(offsets[-1]), 6, generator=torch.Generator().manual_seed(0))
    return Encoded(text, torch.zeros(0, 6), offsets, torch.zeros_like(offsets))


def test_the_product_of_the_first_two_words() -> None:
    states = encoded([3, 2])
    expected = torch.stack([states.text[0] * states.text[1], states.text[3] * states.text[4]])
    assert torch.equal(first_two(states), expected)
    assert not first_two(encoded([0, 0])).any()


def test_the_plain_form() -> None:
    head, states = AnswerHead(FORM, 6, 5, 1e-12), encoded([3, 2])
    pooled = torch.randn(2, 6)
    assert FORM.width(6, 9) == 6
    assert AnswerHeadKind().width(6, 9) == 9
    assert torch.equal(AnswerHeadKind().read(states, lambda: pooled), pooled)
    read = FORM.read(states, lambda: pooled)
    up, down = head.layers[0], head.layers[2]
    assert up.out_features == 12
    torch.testing.assert_close(head(read), down(torch.relu(up(first_two(states)))))


@torch.no_grad()
def test_a_task_model_reads_as_its_page_says() -> None:
    page = tiny(VLP)
    assert page.answer == FORM
    batch = batch_of(page, [3, 2], [2, 3])
    task = TaskKind("vqa", "answer", ("a", "b", "c"))
    model = TaskModel(page, task, VOCAB.size, FEATURES, CLASSES).eval()
    torch.testing.assert_close(model(batch), model.head(first_two(model.trunk(batch))))
    one = TaskModel(page, TaskKind("retrieval", "score"), VOCAB.size, FEATURES, CLASSES).eval()
    torch.testing.assert_close(one(batch), one.head(one.trunk.pool(one.trunk(batch))))


def test_every_answer_is_right_or_wrong_by_itself() -> None:
    objective = IQA(5, form=FORM, measure="binary")
    model = model_of(dataclasses.replace(tiny(VLP), mix=objective))
    view = model.view(batch_of(model.system, [3, 2, 4], [2, 3, 1]))
    rows, wanted = torch.tensor([0, 2]), torch.tensor([[0.3, 1.0, 0, 0, 0], [0, 0, 0, 0.6, 0]])
    scores = objective.scores(model.heads["iqa"], view, rows)
    expected = nn.functional.binary_cross_entropy_with_logits(scores, wanted) * 5
    assert isinstance(view, View)
    soft = objective.loss(model.heads["iqa"], view, Targets(rows, wanted, 2.0))
    torch.testing.assert_close(soft.mean, expected)
    hard = objective.loss(model.heads["iqa"], view, Targets(rows, torch.tensor([1, 3]), 2.0))
    torch.testing.assert_close(
        hard.mean, nn.functional.binary_cross_entropy_with_logits(scores, torch.eye(5)[[1, 3]]) * 5
    )
