from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from samples import PAGES

from iconotext.core.errors import DataError
from iconotext.tasks.base import Source
from iconotext.tasks.gqa import GqaOptions, GqaQuestions


@pytest.fixture(scope="module")
def questions(toy) -> GqaQuestions:
    source = Source(toy.data, toy.store, toy.words)
    task = GqaOptions().task(source, "train", PAGES["uniter"])
    return task.examples(source, "test", training=False)


def right_scores(questions: GqaQuestions) -> torch.Tensor:
    answers = [questions.answers.index(row["answer"]) for row in questions.rows]
    return torch.nn.functional.one_hot(torch.tensor(answers), len(questions.answers)).float()


def test_the_official_figures(questions: GqaQuestions) -> None:
    scores = right_scores(questions)
    scores[0] = scores[0].roll(1)
    said = questions.said(np.arange(len(questions)), scores)
    accuracy, consistency, validity, plausibility = questions.measures(said)
    assert (accuracy.name, consistency.name) == ("GQA accuracy", "GQA consistency")
    assert (validity.name, plausibility.name) == ("GQA validity", "GQA plausibility")
    # Only the right answers are listed in the data, beside one that nobody gives.
    assert validity.values.tolist() == plausibility.values.tolist() == accuracy.values.tolist()
    assert accuracy.values.tolist() == [0.0] + [1.0] * (len(questions) - 1)
    # Each of two questions entails the other: the first was wrong and is not asked, the second's is wrong.
    assert np.isnan(consistency.values[0])
    assert consistency.values[1:].tolist() == [0.0] + [1.0] * (len(questions) - 2)
    assert set(accuracy.kinds) == {"query", "verify"}


def test_answers_are_compared_letter_by_letter(questions: GqaQuestions) -> None:
    row = questions.rows[0]
    before = row["answer"]
    row["answer"] = before.upper()
    said = questions.said(np.arange(1), right_of(questions, before))
    row["answer"] = before
    assert said["accuracy"].tolist() == [0.0]


def right_of(questions: GqaQuestions, answer: str) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor([questions.answers.index(answer)]), len(questions.answers)).float()


def test_the_official_file(questions: GqaQuestions) -> None:
    name, text = questions.submission(pa.table({"question_id": ["01", "n2"], "predicted": ["red", "yes"]}))
    assert name == "gqa_predictions.json"
    assert json.loads(text) == [{"questionId": "01", "prediction": "red"}, {"questionId": "n2", "prediction": "yes"}]


def test_a_vocabulary_of_nothing_is_refused(toy) -> None:
    with pytest.raises(DataError, match="smaller --min-count"):
        GqaOptions(10_000).task(Source(toy.data, toy.store, toy.words), "train", PAGES["uniter"])
