"""A trunk with the head of one task."""

from __future__ import annotations

import pytest
import torch
from samples import FEATURES, PAGES, VOCAB, batch_of, shake

from iconotext.heads.answer import AnswerHead
from iconotext.models.task import TaskKind, TaskModel


@pytest.mark.parametrize("name", PAGES)
def test_answers_and_scores(name: str) -> None:
    torch.manual_seed(0)
    batch = batch_of(PAGES[name], [3, 2, 4], [2, 4, 1])
    answer = TaskModel(PAGES[name], TaskKind("vqa", "answer", ("a", "b", "c", "d")), VOCAB.size, FEATURES).eval()
    shake(answer)
    assert isinstance(answer.head, AnswerHead)
    pooled = answer.trunk.pool(answer.trunk(batch))
    assert torch.equal(answer(batch), answer.head(pooled))
    assert answer(batch).shape == (3, 4)
    score = TaskModel(PAGES[name], TaskKind("retrieval", "score"), VOCAB.size, FEATURES)
    assert score(batch).shape == (3, 1)
    score(batch).sum().backward()
    assert all(p.grad is not None for n, p in score.named_parameters() if n.startswith("head"))
