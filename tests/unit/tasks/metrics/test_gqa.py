from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.data.sources.published.gqa import Choices, GqaQuestion
from iconotext.tasks.metrics.gqa import judge

RED = GqaQuestion("1", "p", "What color is it?", "red", True, "query", "attr", "attrQuery", "color", 2, ("1", "2"))
IS_IT = GqaQuestion("2", "p", "Is it red?", "yes", False, "verify", "attr", "verifyAttr", None, 2)
SAME = GqaQuestion("3", "q", "What do both have in common?", "color", True, "query", "attr", "twoCommon", "color", 1)
ALL = {question.question_id: question for question in (RED, IS_IT, SAME)}
CHOICES = {name: Choices(("red", "blue"), ("red",)) for name in "13"}


def test_consistency_asks_for_what_a_right_answer_entails() -> None:
    judged = judge(ALL, {"1": "red", "2": "no", "3": "red"}, CHOICES)
    assert judged.right.tolist() == [1, 0]
    assert judged.consistency is not None
    np.testing.assert_array_equal(judged.consistency, [0, np.nan])
    np.testing.assert_array_equal(judge(ALL, {"1": "blue", "2": "no", "3": "x"}).consistency, [np.nan, np.nan])


def test_what_two_things_have_in_common_is_a_colour_a_material_or_a_shape() -> None:
    judged = judge(ALL, {"1": "blue", "2": "no", "3": "shape"}, CHOICES)
    assert (judged.valid.tolist(), judged.plausible.tolist()) == ([1, 1], [0, 1])  # type: ignore[union-attr]


def test_the_distribution_is_a_chi_square_of_each_group() -> None:
    # "red" was said twice and is right once, "color" is right once and was never said: (2 - 1)² / 1 + (0 - 1)² / 1, over 100.
    assert judge(ALL, {"1": "red", "2": "no", "3": "red"}).distribution == pytest.approx(0.02)
    alone = {name: replace(question, group=None) for name, question in ALL.items()}
    assert judge(alone, dict.fromkeys("123", "red")).distribution is None


def test_the_balanced_file_alone_knows_no_consistency() -> None:
    judged = judge({name: ALL[name] for name in "13"}, {"1": "red", "3": "red"})
    assert judged.consistency is None
    assert judged.valid is None
    assert judged.by("structural type")["query"].tolist() == [1, 0]
    assert not judged.binary.any()


def test_a_missing_prediction_answer_or_choice_is_an_error() -> None:
    with pytest.raises(DataError, match="question 2 has no prediction"):
        judge(ALL, {"1": "red", "3": "red"})
    with pytest.raises(DataError, match="question 1 has no answer"):
        judge({"1": replace(RED, answer="", entailed=())}, {"1": "red"})
    with pytest.raises(DataError, match="no choices"):
        judge(ALL, dict.fromkeys("123", "x"), {})
