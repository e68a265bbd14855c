from __future__ import annotations

import numpy as np
import pytest

from iconotext.regions.average_precision import Found, Objects, average_precision, mean_average_precision


def found(*rows: tuple[tuple[float, float, float, float], float, int]) -> Found:
    return Found(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
    )


def objects(*rows: tuple[tuple[float, float, float, float], int]) -> Objects:
    return Objects(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4), np.array([row[1] for row in rows], np.int64)
    )


LEFT, RIGHT, BELOW = (0, 0, 10, 10), (20, 0, 30, 10), (0, 20, 10, 30)


@pytest.mark.parametrize(
    ("hits", "positives", "expected"),
    [
        ([1, 1], 2, 1.0),
        ([1], 2, 0.5),
        ([0, 1], 1, 0.5),
        # Precision at the hits is 1/1, 2/3, 3/5; nothing ahead is better than what is reached.
        ([1, 0, 1, 0, 1], 3, (1 + 2 / 3 + 3 / 5) / 3),
        # Precision 1/2 at the first hit is lifted to the 2/3 ahead of it.
        ([0, 1, 1], 2, 2 / 3),
        ([0, 0], 3, 0.0),
        ([], 3, 0.0),
    ],
)
def test_area_under_the_curve(hits: list[int], positives: int, expected: float) -> None:
    scores = np.linspace(1, 0.1, len(hits))
    assert average_precision(scores, np.array(hits, bool), positives) == pytest.approx(expected)


def test_the_order_is_that_of_the_scores() -> None:
    assert average_precision(np.array([0.1, 0.9]), np.array([False, True]), 1) == 1.0


def test_two_classes_by_hand() -> None:
    guesses = [
        found((LEFT, 0.9, 1), ((1, 0, 10, 10), 0.8, 1), (RIGHT, 0.7, 2)),
        found((BELOW, 0.95, 2), (LEFT, 0.6, 1)),
    ]
    truth = [objects((LEFT, 1), (RIGHT, 2), (BELOW, 2)), objects((LEFT, 1))]
    precision = mean_average_precision(guesses, truth)
    # Class 1: right, wrong (its object is taken), right of 2: (1 + 2/3) / 2. Class 2: wrong, right, of 2: 1/2 / 2.
    assert precision.by_class == pytest.approx({1: 5 / 6, 2: 1 / 4})
    assert precision.mean == pytest.approx((5 / 6 + 1 / 4) / 2)
    assert precision.recall == pytest.approx(3 / 4)
    assert [owners.tolist() for owners in precision.owners] == [[0, -1, 1], [-1, 0]]


def test_overlap_decides() -> None:
    near, far = (0, 0, 10, 5.1), (0, 0, 10, 4.9)
    truth = [objects((LEFT, 1))]
    assert mean_average_precision([found((near, 0.5, 1))], truth).mean == 1.0
    assert mean_average_precision([found((far, 0.5, 1))], truth).mean == 0.0
    assert mean_average_precision([found((far, 0.5, 1))], truth, threshold=0.4).mean == 1.0


def test_pictures_with_nothing_in_them() -> None:
    guesses = [found((LEFT, 0.9, 1)), found(), found((LEFT, 0.8, 1))]
    precision = mean_average_precision(guesses, [objects(), objects((RIGHT, 3)), objects((LEFT, 1))])
    assert precision.by_class == pytest.approx({1: 0.5, 3: 0.0})
