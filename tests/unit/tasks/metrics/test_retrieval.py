from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iconotext.tasks.metrics.retrieval import image_to_text, median_rank, recall, text_to_image

OWNER = np.array([0, 0, 1, 2, 2, 2])


@st.composite
def searches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    images = draw(st.integers(1, 5))
    owner = draw(st.lists(st.integers(0, images - 1), min_size=1, max_size=8))
    scores = draw(st.lists(st.integers(0, 3), min_size=len(owner) * images, max_size=len(owner) * images))
    return np.array(scores, np.float32).reshape(len(owner), images), np.array(owner)


def test_a_perfect_matrix_finds_everything_first() -> None:
    scores = np.eye(3, dtype=np.float32)[OWNER]
    assert text_to_image(scores, OWNER).tolist() == [1] * 6
    assert image_to_text(scores, OWNER).tolist() == [1] * 3


def test_constant_scores_stand_in_the_middle() -> None:
    scores = np.zeros((6, 3), np.float32)
    assert text_to_image(scores, OWNER).tolist() == [2.0] * 6
    # One of two own texts among four others: on average 1 + 4 / 3.
    assert image_to_text(scores, OWNER).tolist() == pytest.approx([1 + 4 / 3, 1 + 5 / 2, 1 + 3 / 4])
    assert recall(text_to_image(scores, OWNER), 1).mean() == 0
    assert recall(text_to_image(scores, OWNER, "won"), 1).mean() == 1
    assert recall(text_to_image(scores, OWNER, "lost"), 2).mean() == 0


@settings(max_examples=20)
@given(searches(), st.integers(0, 100))
def test_expected_ranks_are_the_mean_over_all_orders(search: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    scores, owner = search
    random = np.random.default_rng(seed)
    totals = np.zeros(len(owner)), np.zeros(scores.shape[1])
    draws = 300
    for _ in range(draws):
        untied = scores + random.permuted(np.arange(scores.size)).reshape(scores.shape) / (scores.size * 2)
        totals[0][:] += text_to_image(untied, owner)
        totals[1][:] += image_to_text(untied, owner)
    # The mean rank of 300 orders of at most 8 items is within 4 standard errors of the expectation.
    error = 4 * 8 / np.sqrt(12 * draws)
    assert np.abs(totals[0] / draws - text_to_image(scores, owner)).max() < error
    backward = image_to_text(scores, owner)
    asked = ~np.isnan(backward)
    assert np.abs(totals[1][asked] / draws - backward[asked]).max() < error


@given(searches())
def test_a_tie_lost_or_won_bounds_the_expected_rank(search: tuple[np.ndarray, np.ndarray]) -> None:
    for ranks in (text_to_image, image_to_text):
        won, expected, lost = (ranks(*search, ties) for ties in ("won", "expected", "lost"))
        asked = ~np.isnan(expected)
        assert (won <= expected)[asked].all()
        assert (expected <= lost)[asked].all()


def test_an_image_without_a_text_asks_nothing() -> None:
    ranks = image_to_text(np.array([[1.0, 5.0]], np.float32), np.array([0]))
    assert np.isnan(ranks).tolist() == [False, True]
    assert recall(ranks, 1).tolist() == [1.0]
    assert text_to_image(np.array([[1.0, 5.0]], np.float32), np.array([0])).tolist() == [2.0]


def test_the_median_is_rounded_down() -> None:
    assert median_rank(np.array([1.0, 2.0, 4.0, 9.0])) == 3.0
    assert median_rank(np.array([1.0, 2.0, 3.0, 9.0, np.nan])) == 2.0
