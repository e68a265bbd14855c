from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from samples import PAGES
from torch.nn import functional as F

from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.tasks.base import Examples, Task
from iconotext.tasks.vqa import VQA, Asked, Questions, plain

TEN = ["red"] * 6 + ["blue"] * 3 + ["Dark red."]


def asked(*answers: list[str]) -> Asked:
    names = [f"q{i}" for i in range(len(answers))]
    images = [f"train-{i}" for i in range(len(answers))]
    return Asked(
        names, images, ["what is it"] * len(answers), list(answers), [""] * len(answers), ["en"] * len(answers)
    )


def test_ten_answers_each_are_those_of_annotators() -> None:
    assert asked(TEN, TEN).annotated
    assert asked(TEN, []).annotated
    assert not asked(TEN, ["red"]).annotated
    assert not asked([]).annotated


def test_annotators_count_their_majority_and_score_softly() -> None:
    rows = asked(TEN, ["The Blue."] * 10)
    assert rows.vocabulary(1) == ("blue", "red")
    assert rows.targets(0, {"blue": 0, "red": 1}) == {"red": 1.0, "blue": 0.9}
    assert rows.targets(1, {"blue": 0, "red": 1}) == {}, "targets compare word for word, as published"
    assert rows.accuracy(0, "red") == 1.0
    assert rows.accuracy(0, "blue") == pytest.approx(0.9)


def test_a_plain_list_scores_one_for_each_of_its_answers() -> None:
    rows = asked(["Red ", "crimson"], ["red", "RED"], ["blue"], [])
    assert rows.vocabulary(2) == ("red",)
    assert rows.vocabulary(1) == ("red", "blue", "crimson")
    assert rows.targets(0, {"red": 0, "crimson": 1}) == {"red": 1.0, "crimson": 1.0}
    assert [rows.accuracy(row, "red") for row in range(3)] == [1.0, 1.0, 0.0]
    assert math.isnan(rows.accuracy(3, "red"))
    assert len(rows.answered()) == 3
    assert plain("  A  Dog ") == "a dog"


def test_a_vocabulary_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="smaller --min-count"):
        asked(["red"], ["blue"]).vocabulary(2)


def test_questions_are_read_where_their_image_has_regions(toy) -> None:
    rows = Asked.read(toy.data, "train", toy.store)
    assert len(rows) == 96
    assert set(rows.kinds) == {"colour", "exists"}
    assert not rows.annotated
    with pytest.raises(DataError, match="no question"):
        Asked.read(toy.data, "train", toy.store, language="zh")


def test_coverage_tells_what_can_be_answered(toy) -> None:
    rows = asked(["red"], ["red", "blue"], ["green"], [])
    found = Questions(rows, toy.words, toy.store, ("red",)).coverage()
    assert (found.answers, found.out_of_vocabulary, found.upper_bound) == (
        1,
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
    )
    soft = Questions(asked(TEN, ["Red"] * 9 + ["x"]), toy.words, toy.store, ("red", "blue")).coverage()
    assert (soft.out_of_vocabulary, soft.upper_bound) == (0.5, 1.0)


def test_a_batch_holds_the_soft_scores(toy) -> None:
    rows = asked(TEN, ["blue"] * 10, ["none of them"] * 10)
    examples = Questions(rows, toy.words, toy.store, ("red", "blue"))
    page = PAGES["uniter"]
    micro = examples.batch(np.array([2, 0, 1]), Draw(0, 0, np.array([7, 8, 9])), toy.seats(page))
    assert torch.allclose(micro.targets, torch.tensor([[0, 0], [1, 0.9], [0, 1]]))
    assert micro.counts == {"vqa": 3.0}
    assert (micro.rows, micro.examples, micro.ids) == (3, 3, [7, 8, 9])
    assert micro.batch.region.offsets.diff().tolist() == [len(toy.store.get(f"train-{i}").scores) for i in (2, 0, 1)]
    assert micro.tokens == int(examples.lengths(60, 100).sum())


def test_shares_are_the_mean_scores(toy) -> None:
    examples = Questions(asked(TEN, ["blue"] * 10, ["x"] * 10), toy.words, toy.store, ("red", "blue", "green"))
    assert examples.shares().tolist() == pytest.approx([1 / 3, 1.9 / 3, 0.0])


def test_the_loss_is_summed_over_answers_and_counted_in_questions(toy) -> None:
    rows = asked(TEN, ["blue"] * 10)
    micro = Questions(rows, toy.words, toy.store, ("red", "blue")).batch(
        np.arange(2), Draw(0, 0, np.arange(2)), toy.seats(PAGES["uniter"])
    )
    scores = torch.tensor([[2.0, -1.0], [0.0, 3.0]])
    loss = VQA(("red", "blue")).loss(scores, micro)
    assert loss.mean.item() == pytest.approx(2 * F.binary_cross_entropy_with_logits(scores, micro.targets).item())
    assert loss.count.item() == 2


def test_the_highest_score_is_the_answer(toy) -> None:
    task = VQA(("red", "blue"))
    rows = asked(["red"], ["red"], [])
    examples = Questions(rows, toy.words, toy.store, task.answers)
    said = examples.said(np.arange(3), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    assert said["predicted"].tolist() == ["red", "blue", "blue"]
    assert said["score"].tolist() == pytest.approx([0.7311] * 3, abs=1e-3)
    assert said["accuracy"][:2].tolist() == [1.0, 0.0]
    assert math.isnan(said["accuracy"][2])


def test_the_official_file(toy) -> None:
    examples = Questions(asked(["red"], ["red"]), toy.words, toy.store, ("red",))
    predictions = pa.table({"question_id": ["12", "q1"], "predicted": ["red", "blue"]})
    name, text = examples.submission(predictions)
    assert name == "vqa_results.json"
    assert json.loads(text) == [{"question_id": 12, "answer": "red"}, {"question_id": "q1", "answer": "blue"}]


def test_it_keeps_the_contract(toy) -> None:
    task = VQA(("red",))
    assert isinstance(task, Task)
    assert isinstance(Questions(asked(["red"]), toy.words, toy.store, task.answers), Examples)
    assert task.kind.answers == ("red",)
    assert dataclasses.replace(task, answers=()).kind.head == "answer"
