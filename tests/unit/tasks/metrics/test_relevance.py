from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from iconotext.core.seed import generator
from iconotext.tasks.metrics.relevance import auc, ndcg, reciprocal_rank


def run(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A query with 30 candidates, grades 0 to 3 and many equal scores."""
    draw = generator("relevance", number)
    return draw.integers(0, 12, 30).astype(np.float64), draw.integers(0, 4, 30)


@pytest.mark.parametrize("k", [1, 5, 10, 100])
@pytest.mark.parametrize("number", range(50))
def test_ndcg_is_that_of_scikit_learn_ties_included(number: int, k: int) -> None:
    scores, grades = run(number)
    assert ndcg(scores, grades, k) == pytest.approx(ndcg_score([grades], [scores], k=k), abs=1e-12)
    exponential = ndcg_score([2.0**grades - 1], [scores], k=k)
    assert ndcg(scores, grades, k, "exponential") == pytest.approx(exponential, abs=1e-12)


@pytest.mark.parametrize("least", [1, 3])
@pytest.mark.parametrize("number", range(20))
def test_auc_is_that_of_scikit_learn(number: int, least: int) -> None:
    scores, grades = run(number)
    assert auc(scores, grades, least) == pytest.approx(roc_auc_score(grades >= least, scores), abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=6))
def test_a_reciprocal_rank_is_the_mean_over_all_orders_of_equal_scores(pairs: list[tuple[int, int]]) -> None:
    scores, grades = (np.array(column, np.float64) for column in zip(*pairs))
    ours = reciprocal_rank(scores, grades)
    if not grades.any():
        assert math.isnan(ours)
        return
    orders = [order for order in permutations(range(len(pairs))) if (np.diff(scores[list(order)]) <= 0).all()]
    ranks = [1 + int(np.argmax(grades[list(order)] > 0)) for order in orders]
    assert ours == pytest.approx(np.mean([1 / rank for rank in ranks]))


def test_a_query_without_what_is_asked_for_says_nothing() -> None:
    scores = np.array([1.0, 2.0])
    assert math.isnan(ndcg(scores, np.array([0, 0])))
    assert math.isnan(auc(scores, np.array([1, 1])))
    assert math.isnan(auc(scores, np.array([0, 0])))
    assert math.isnan(reciprocal_rank(scores, np.array([1, 2]), least=3))
