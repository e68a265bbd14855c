from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import PAGES, shake, tiny

from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.models.system import System
from iconotext.models.task import TaskModel
from iconotext.systems import SYSTEMS as ALL
from iconotext.systems.uniter import UNITER
from iconotext.systems.visualbert import VISUALBERT
from iconotext.tasks.base import Examples, Source, Task, each_on_its_own, entropy, predict
from iconotext.tasks.retrieval import RetrievalOptions
from iconotext.tasks.table import TASKS, task_of
from iconotext.train.step import MicroBatch

SYSTEMS = {**PAGES, "visualbert": tiny(VISUALBERT)}
SCORED = tuple(name for name in TASKS if name != "captions")
"""The tasks of every system, whose answers are read off a row of scores; for the other one see test_captions.py."""


def source(toy) -> Source:
    return Source(toy.data, toy.store, toy.words)


def work(toy, name: str, page: System) -> tuple[Task, Examples]:
    options = TASKS[name].options() if name != "vqa" else TASKS[name].options(min_count=1)
    task = options.task(source(toy), "train", page)
    return task, task.examples(source(toy), "test", training=False)


def model_for(toy, task: Task, page: System) -> TaskModel:
    torch.manual_seed(0)
    model = TaskModel(page, task.kind, toy.words.vocab.size, toy.store.feature_dim, toy.store.class_count)
    shake(model)
    return model.eval()


@pytest.mark.parametrize("page", SYSTEMS.values(), ids=SYSTEMS)
@pytest.mark.parametrize("name", SCORED)
def test_predictions_do_not_depend_on_how_they_are_chunked(toy, page: System, name: str) -> None:
    task, examples = work(toy, name, page)
    model, rows = model_for(toy, task, page), np.array([5, 2, 11, 7, 0])
    found = {}
    for chunk in (2, 5):
        said = {}
        for some, scores in predict(model, examples, rows, toy.seats(page), "fp32", chunk):
            assert not scores.requires_grad
            for row, each in zip(some.tolist(), scores):
                said[row] = each[each.isfinite()]
        assert sorted(said) == sorted(rows.tolist())
        found[chunk] = torch.cat([said[row] for row in rows.tolist()])
    assert torch.allclose(found[2], found[5], atol=1e-5)


@pytest.mark.parametrize("page", SYSTEMS.values(), ids=SYSTEMS)
@pytest.mark.parametrize("name", SCORED)
def test_a_batch_is_a_micro_batch_of_training(toy, page: System, name: str) -> None:
    task, _ = work(toy, name, page)
    examples = task.examples(source(toy), "train", training=True)
    micro = examples.batch(np.arange(3), Draw(0, 0, np.arange(3) + 7), toy.seats(page))
    assert isinstance(micro, MicroBatch)
    assert micro.to("cpu").ids == micro.ids == [7, 8, 9]
    model = model_for(toy, task, page)
    scores = model(micro.batch)
    loss = task.loss(scores, micro)
    assert scores.shape[0] == loss.count.item() == micro.counts[task.name] == 3
    loss.sum.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert all(p.grad is not None for p in model.head.parameters())
    tokens = examples.lengths(page.layout.max_words, page.layout.max_regions)[:3].sum()
    assert micro.batch.text.ids.numel() <= tokens + 3 * micro.batch.group
    assert abs(micro.tokens - tokens) <= micro.rows * 2, "the sampler sorts by what the model reads"


@pytest.mark.parametrize("name", SCORED)
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_task_is_remade_from_a_checkpoint(toy, page: System, name: str) -> None:
    task, _ = work(toy, name, page)
    again = task_of(task.kind)
    assert again.kind == task.kind
    assert isinstance(again, Task)
    assert (again.name, again.table) == (name, task.table)


@pytest.mark.parametrize("name", sorted(set(SCORED) - {"retrieval"}))
def test_what_is_said_has_a_row_an_example(toy, name: str) -> None:
    page = PAGES["uniter"]
    task, examples = work(toy, name, page)
    assert isinstance(examples, Examples)
    assert examples.summary()
    rows, model = np.arange(len(examples)), model_for(toy, task, page)
    ((order, scores),) = predict(model, examples, rows, toy.seats(page), "fp32", 10_000)
    said = examples.said(order, scores)
    assert all(len(column) == len(examples) for column in said.values())
    assert all(len(column) == len(examples) for column in examples.columns().values())
    known = said["accuracy"][~np.isnan(said["accuracy"])]
    assert ((known >= 0) & (known <= 1)).all()
    measures = examples.measures(said)
    assert len({measure.name for measure in measures}) == len(measures)
    for measure in measures:
        assert len(measure.values) == len(measure.units)
        assert len(measure.kinds) in (0, len(measure.values))


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("name", SCORED)
def test_a_blind_model_reads_what_it_is_shown(toy, page: System, name: str) -> None:
    task, examples = work(toy, name, page)
    model = model_for(toy, task, page)
    seats = toy.seats(page)
    rows = np.arange(4)
    for sees in ("text", "picture"):
        micro = examples.batch(rows, Draw(0, 0, rows), dataclasses.replace(seats, sees=sees))
        words = micro.batch.text.ids.numel() - 2 * len(micro.batch.text.offsets[1:])
        regions = micro.batch.region.masked.numel()
        assert (words == 0, regions == 0) == (sees == "picture", sees == "text")
        scores = model(micro.batch)
        assert scores.shape[0] == 4
        assert examples.said(rows, scores.detach())["accuracy"].shape == (4,)


def test_rows_without_regions_are_refused(toy) -> None:
    with pytest.raises(DataError, match="none of the"):
        dataclasses.replace(source(toy), language="zh").read("choices", "train", "image_id")
    assert source(toy).has("vqa", "validation")
    assert not source(toy).has("vqa", "test_unseen")
    assert not source(toy).has("images", "validation")


def test_losses_leave_out_what_is_no_column() -> None:
    scores = torch.tensor([[1.0, 2.0, -torch.inf], [0.5, -0.5, 1.5]], requires_grad=True)
    targets = torch.tensor([[0.0, 0.8, 0.0], [1.0, 0.0, 0.0]])
    one = entropy(scores, targets)
    wanted = [torch.tensor(row).log_softmax(0) for row in ([1.0, 2.0], [0.5, -0.5, 1.5])]
    assert one.sum.item() == pytest.approx(-wanted[0][1].item() - wanted[1][0].item(), rel=1e-5)
    other = each_on_its_own(scores, targets)
    kept = scores.detach()[scores.isfinite()], targets[scores.isfinite()]
    by_hand = torch.nn.functional.binary_cross_entropy_with_logits(*kept, reduction="sum")
    assert other.sum.item() == pytest.approx(by_hand.item(), rel=1e-5)
    (one.sum + other.sum).backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert one.count.item() == other.count.item() == 2


def test_options_and_pages_decide_together(toy) -> None:
    pages = {"uniter": tiny(UNITER), "visualbert": tiny(VISUALBERT), "vilbert": PAGES["vilbert"]}
    kinds = {
        name: {task: TASKS[task].options().task(source(toy), "train", page).kind for task in ("choices", "statements")}
        for name, page in pages.items()
    }
    assert [kinds[name]["choices"].form for name in pages] == ["sigmoid", "softmax", "softmax"]
    assert [kinds[name]["statements"].form for name in pages] == ["attention", "triplet", "pair"]
    assert [kinds[name]["statements"].segments for name in pages] == [(1,), (), ()]
    assert [kinds[name]["choices"].segments for name in pages] == [(0,), (), ()]
    said = TASKS["statements"].options(images="pair").task(source(toy), "train", pages["uniter"])
    assert (said.kind.head, said.kind.segments) == ("two", ())
    assert RetrievalOptions("triplet").task(source(toy), "train", pages["uniter"]).form == "triplet"


@pytest.mark.parametrize("name", sorted(set(ALL) - set(SYSTEMS)))
def test_every_system_does_every_task(toy, name: str) -> None:
    page, rows = ALL[name].at("tiny") if "tiny" in ALL[name].sizes else ALL[name], np.arange(2)
    for task_name in SCORED:
        task, examples = work(toy, task_name, page)
        scores = model_for(toy, task, page)(examples.batch(rows, Draw(0, 0, rows), toy.seats(page)).batch)
        assert scores.shape[0] == 2
        assert examples.said(rows, scores.detach())["accuracy"].shape == (2,)
