from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconotext.tasks.metrics.phrases import around, covers, recall, right

BOXES = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])


@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=5),
    st.integers(1, 6),
)
def test_recall_is_the_chance_over_all_orders_of_equal_scores(found: list[tuple[int, bool]], k: int) -> None:
    scores, hits = (np.array(column) for column in zip(*found))
    orders = [order for order in permutations(range(len(found))) if (np.diff(scores[list(order)]) <= 0).all()]
    wanted = np.mean([hits[list(order[:k])].any() for order in orders])
    assert recall(scores.astype(float), hits.astype(bool), k) == pytest.approx(wanted)


def test_a_region_is_right_that_covers_one_of_several_boxes_or_all_together() -> None:
    regions = np.array([[0.0, 0, 10, 10], [0, 0, 30, 10], [20, 0, 30, 10], [0, 0, 5, 10], [0, 0, 14, 10], [0, 0, 0, 0]])
    assert around(BOXES).tolist() == [[0, 0, 30, 10]]
    assert covers(regions, BOXES).tolist() == pytest.approx([1, 1 / 3, 1, 1 / 2, 5 / 7, 0])
    assert right(regions, BOXES, "any").tolist() == [True, False, True, True, True, False]
    assert right(regions, BOXES, "merged").tolist() == [False, True, False, False, False, False]
    assert right(regions, BOXES[:1], "any").tolist() == right(regions, BOXES[:1], "merged").tolist()
    assert covers(regions[:0], BOXES).shape == (0,)
