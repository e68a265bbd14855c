from __future__ import annotations

import numpy as np
import pytest
import torch
from samples import PAGES, shake

from iconotext.core.seed import Draw
from iconotext.data.pair import PairTable
from iconotext.models.task import TaskModel
from iconotext.tasks.base import Examples, Task, predict
from iconotext.tasks.retrieval import Groups, Retrieval
from iconotext.tasks.vqa import VQA, Asked, Questions
from iconotext.train.step import MicroBatch


def work(toy, name: str) -> tuple[Task, Examples]:
    if name == "vqa":
        rows = Asked.read(toy.data, "test", toy.store)
        task = VQA(rows.vocabulary(1))
        return task, Questions(rows, toy.words, toy.store, task.answers)
    return Retrieval(), Groups(PairTable(toy.data, "test", toy.words, toy.store))


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("name", ["vqa", "retrieval"])
def test_predictions_do_not_depend_on_how_they_are_chunked(toy, page, name: str) -> None:
    task, examples = work(toy, name)
    torch.manual_seed(0)
    model = TaskModel(page, task.kind, toy.words.vocab.size, toy.store.feature_dim, toy.store.class_count)
    shake(model)
    model.eval()
    rows = np.array([5, 2, 17, 11, 0])
    found = {}
    for chunk in (2, 5):
        scores = {}
        for some, part in predict(model, examples, rows, toy.seats(page), "fp32", chunk):
            scores |= dict(zip(some.tolist(), part.view(len(some), -1)))
        assert sorted(scores) == sorted(rows.tolist())
        found[chunk] = torch.stack([scores[row] for row in rows.tolist()])
    assert torch.allclose(found[2], found[5], atol=1e-5)
    assert not found[2].requires_grad


@pytest.mark.parametrize("name", ["vqa", "retrieval"])
def test_a_batch_is_a_micro_batch_of_training(toy, name: str) -> None:
    task, examples = work(toy, name)
    micro = examples.batch(np.arange(3), Draw(0, 0, np.arange(3)), toy.seats(PAGES["uniter"]))
    assert isinstance(micro, MicroBatch)
    assert micro.to("cpu").ids == micro.ids
    scores = torch.zeros(micro.rows, max(1, len(task.kind.answers)))
    assert task.loss(scores, micro).count.item() == micro.counts[task.name] == 3
