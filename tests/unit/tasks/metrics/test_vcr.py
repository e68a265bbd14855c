from __future__ import annotations

import numpy as np

from iconotext.tasks.metrics.vcr import both, right


def test_the_first_of_equal_scores_is_chosen() -> None:
    scores = np.array([[0.0, -0.0, 0.0, 0.0], [1.0, 2.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    assert right(scores, np.array([0, 2, 3])).tolist() == [1, 0, 1]


def test_both_have_to_be_right() -> None:
    assert both(np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0])).tolist() == [1, 0, 0]
