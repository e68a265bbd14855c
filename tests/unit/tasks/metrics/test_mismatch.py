from __future__ import annotations

import numpy as np
import pytest

from iconotext.tasks.metrics.mismatch import BINS, belief, mismatched_share


def mixture(share: float, apart: float, n: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of pairs of which a share is wrong, which of them are right, and scores of known mismatches."""
    random = np.random.default_rng(0)
    right = random.random(n) >= share
    return random.standard_normal(n) + apart * right, right, random.standard_normal(n)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_the_share_of_mismatches_is_found_where_they_are_told_apart(share: float) -> None:
    scores, _, known = mixture(share, 5.0)
    assert mismatched_share(scores, known) == pytest.approx(share, abs=0.02)


def test_where_they_are_told_badly_the_share_comes_out_too_large() -> None:
    for apart in (0.0, 0.5, 1.0, 2.0):
        scores, _, known = mixture(0.2, apart)
        assert mismatched_share(scores, known) > 0.19
    assert mismatched_share(np.zeros(9), np.zeros(5)) == 1.0
    assert mismatched_share(np.array([0.0, 2.0, 4.0, 6.0]), np.array([1.0, 3.0, 5.0])) == 1.0
    assert mismatched_share(np.array([0.0, 2.0, 4.0, 6.0]), np.array([-1.0, 0.0, 1.0])) == 0.25


@pytest.mark.parametrize(("share", "apart"), [(0.3, 1.0), (0.3, 3.0), (0.05, 2.0), (0.7, 2.0)])
def test_belief_is_as_sure_as_it_may_be(share: float, apart: float) -> None:
    scores, right, known = mixture(share, apart)
    found = belief(scores, known, share)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(scores)]) >= 0).all()
    assert len(np.unique(found)) <= BINS
    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        some = (found >= low) & (found <= high)
        if some.sum() > 1000:
            assert right[some].mean() == pytest.approx(found[some].mean(), abs=0.06)


def test_belief_of_no_mismatches_and_of_equal_scores() -> None:
    scores, _, known = mixture(0.0, 1.0)
    assert (belief(scores, known, 0.0) == 1).all()
    assert belief(np.zeros(10), np.zeros(4), 0.3) == pytest.approx(np.full(10, 0.7))
