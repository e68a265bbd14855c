from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconotext.tasks.metrics.vqa import (
    accuracy,
    in_plain_words,
    majority,
    normalise,
    soft_targets,
    vocabulary,
    vocabulary_form,
    without_marks,
)

WORDS = st.sampled_from(["yes", "no", "two", "2", "a dog", "dog", "Dog.", "t-shirt"])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("The dog.", "dog"),
        ("two", "2"),
        ("dont", "don't"),
        ("couldn'tve", "couldn't've"),
        ("y'alld've", "y'all'd've"),
        ("somebody'd", "somebodyd"),
        ("t-shirt", "t shirt"),
        ("3.5", "3.5"),
        ("1,000", "1000"),
        ("yes, it is!", "yes it is"),
        ("", ""),
        ("狗", "狗"),
    ],
)
def test_an_answer_is_normalised(given: str, wanted: str) -> None:
    assert normalise(given) == wanted


def test_a_mark_is_deleted_when_it_touches_a_space_anywhere_and_else_becomes_one() -> None:
    assert without_marks("black/white") == "black white"
    assert without_marks("black/white / grey") == "blackwhite  grey"
    assert without_marks("1,2 a/b") == "12 ab"


def test_no_more_than_32_stops_go() -> None:
    assert without_marks("." * 40) == "." * 8


def test_commas_that_are_left_go_from_the_vocabulary_only() -> None:
    assert in_plain_words("Red,Blue") == "red,blue"
    assert "," not in vocabulary_form("red,blue")


@pytest.mark.parametrize(("matches", "wanted"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0)])
def test_ten_answers_give_the_leave_one_out_mean(matches: int, wanted: float) -> None:
    answers = ["red"] * matches + ["blue"] * (10 - matches)
    assert accuracy("red", answers) == pytest.approx(wanted)
    assert soft_targets(answers, {"red"}).get("red", 0.0) == wanted


def test_nothing_is_normalised_when_all_answers_are_one() -> None:
    assert accuracy("two", ["2"] * 10) == 0.0
    assert accuracy("two", ["2"] * 9 + ["3"]) == 1.0


def test_equal_records_are_left_out_together() -> None:
    answers = ["red", "red", "blue", "green"]
    assert accuracy("red", answers) == pytest.approx((1 / 3 + 1 / 3 + 2 / 3 + 2 / 3) / 4)
    assert accuracy("red", answers, [1, 1, 2, 3]) == pytest.approx((0 + 0 + 2 / 3 + 2 / 3) / 4)


def test_no_answers_give_nothing() -> None:
    assert accuracy("red", []) == 0.0


@given(st.lists(WORDS, min_size=1, max_size=12), WORDS)
def test_accuracy_is_the_mean_over_those_who_are_left_out(answers: list[str], said: str) -> None:
    if len(set(answers)) > 1:
        one, all_ = normalise(said), [normalise(a) for a in answers]
    else:
        one, all_ = said, answers
    others = [all_[:i] + all_[i + 1 :] for i in range(len(all_))]
    wanted = sum(min(1, rest.count(one) / 3) for rest in others) / len(others)
    assert accuracy(said, answers) == pytest.approx(wanted)


def test_the_vocabulary_counts_questions_not_answers() -> None:
    asked = [["red", "red"], ["red"], ["blue"], ["blue"], ["green"]]
    assert vocabulary(asked, 2) == ("blue", "red")
    assert vocabulary(asked, 1) == ("blue", "red", "green")
    assert vocabulary(asked, 3) == ()


def test_the_majority_is_the_first_of_equals() -> None:
    assert majority(["b", "a", "a", "b", "c"]) == "b"
