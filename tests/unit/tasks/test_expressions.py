from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import PAGES
from toy_data import boxes_of

from iconotext.core.seed import Draw
from iconotext.tasks.base import Source
from iconotext.tasks.expressions import Described, ExpressionOptions, Expressions


@pytest.fixture(scope="module")
def described(toy) -> Described:
    return Expressions().examples(Source(toy.data, toy.store, toy.words), "train", training=True)


def row(described: Described, number: int, **changes: object) -> dict[str, object]:
    return {**described.rows[number], **changes}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_target_is_the_region_that_is_meant(toy, described: Described, page) -> None:
    rows = np.arange(6)
    micro = described.batch(rows, Draw(0, 0, rows), toy.seats(page))
    meant = [described.rows[number]["object"] for number in rows]
    assert micro.targets.argmax(1).tolist() == meant
    assert (micro.targets > 0).sum(1).tolist() == [1] * 6
    kept = [len(boxes_of(described.units[number])) for number in rows]
    assert micro.batch.region.whole.logical_not().sum().item() == sum(kept)
    assert micro.targets.shape == (6, max(kept))


def test_a_region_that_covers_enough_counts_by_how_much(toy, described: Described) -> None:
    box = boxes_of(described.units[0])[1]
    shifted = [box[0] + 10, box[1], box[2] + 10, box[3]]
    source = Source(toy.data, toy.store, toy.words)
    examples = Described(source, [row(described, 0, box=shifted)], training=True)
    micro = examples.batch(np.arange(1), Draw(0, 0, np.arange(1)), toy.seats(PAGES["uniter"]))
    assert micro.targets[0, :2].tolist() == pytest.approx([0.0, 40 / 60])


def test_what_no_region_covers_is_not_learned_but_measured(toy, described: Described) -> None:
    source = Source(toy.data, toy.store, toy.words)
    rows = [row(described, 0), row(described, 0, box=[0.0, 150.0, 30.0, 190.0])]
    learned = Described(source, rows, training=True)
    assert (len(learned), learned.left_out) == (1, 1)
    measured = Described(source, rows, training=False)
    assert len(measured) == 2
    assert measured.about()["upper_bound"] == 0.5
    said = measured.said(np.arange(2), torch.eye(2, len(boxes_of(described.units[0]))))
    assert said["accuracy"][1] == 0.0


def test_the_best_region_is_right_or_wrong(described: Described) -> None:
    images = described.units[0], described.units[0]
    assert described.units[1] == images[0]
    count = len(boxes_of(images[0]))
    scores = torch.full((2, count), -1.0)
    scores[:, 0] = 1.0
    said = described.said(np.array([0, 1]), scores)
    assert said["accuracy"].tolist() == [1.0, 0.0]
    assert said["predicted"].tolist() == [boxes_of(images[0])[0]] * 2
    guess = described.said(np.array([0, 1]), torch.zeros(2, 0))
    assert guess["accuracy"].tolist() == pytest.approx([1 / count] * 2)


def test_each_papers_loss(toy, described: Described) -> None:
    rows = np.arange(4)
    micro = described.batch(rows, Draw(0, 0, rows), toy.seats(PAGES["vilbert"]))
    scores = torch.randn(micro.targets.shape)
    counts = [len(boxes_of(described.units[number])) for number in rows]
    scores[torch.arange(scores.shape[1]) >= torch.tensor(counts)[:, None]] = -torch.inf
    softmax, sigmoid = Expressions("softmax").loss(scores, micro), Expressions("sigmoid").loss(scores, micro)
    wanted = torch.nn.functional.cross_entropy(scores, micro.targets.argmax(1), reduction="sum")
    assert softmax.sum.item() == pytest.approx(wanted.item(), rel=1e-5)
    there = scores.isfinite()
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(scores[there], micro.targets[there], reduction="sum")
    assert sigmoid.sum.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_the_page_decides_on_the_head(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    made = {name: ExpressionOptions().task(source, "train", page) for name, page in PAGES.items()}
    assert {name: task.form for name, task in made.items()} == {"uniter": "softmax", "vilbert": "sigmoid"}
    assert ExpressionOptions("sigmoid").task(source, "train", PAGES["uniter"]).form == "sigmoid"
    page = dataclasses.replace(
        PAGES["uniter"], downstream=dataclasses.replace(PAGES["uniter"].downstream, region_hidden=1.0)
    )
    assert ExpressionOptions().task(source, "train", page).kind.hidden == 1.0
