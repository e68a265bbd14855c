from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.data.features.record import Record
from iconotext.data.features.sizes import place, ratio
from iconotext.data.features.stored import Widths, to_row, widths_of

BOXES = np.array([[0, 10, 50, 40], [20, 0, 100, 80]], np.float32)


def record(**fields: Any) -> Record:
    given = {"features": np.ones((2, 3), np.float32), "boxes": BOXES, "size": (100, 80)}
    return Record("a", **(given | fields))


def row(found: Record, classes: int = 4, attributes: int = 5, **sizes: tuple[int, int]):
    return to_row(found, widths_of(found, classes, attributes), sizes)


def test_probabilities_with_the_background_first_stay() -> None:
    probs = np.array([[0.5, 0.25, 0.25], [0, 0.25, 0.75]], np.float32)
    made = row(record(class_probs=probs))
    np.testing.assert_array_equal(made.class_probs, probs)
    np.testing.assert_array_equal(made.scores, [0.25, 0.75])


def test_a_background_that_was_cut_off_gets_what_is_left() -> None:
    probs = np.array([[0.25, 0.25], [0.5, 0.75]], np.float32)
    made = row(record(class_probs=probs, background=False))
    np.testing.assert_array_equal(made.class_probs, [[0.5, 0.25, 0.25], [0, 0.5, 0.75]])


@pytest.mark.parametrize(("width", "background"), [(1601, False), (1600, True)])
def test_the_width_of_visual_genome_decides(width: int, background: bool) -> None:
    probs = np.full((2, width), 1 / 2048, np.float32)
    assert row(record(class_probs=probs, background=background)).class_probs.shape == (2, 1601)


def test_the_best_class_alone_keeps_its_probability_and_the_rest_is_spread() -> None:
    found = record(classes=np.array([0, 3]), class_scores=np.array([0.5, 1], np.float32))
    made = row(found)
    np.testing.assert_array_equal(made.class_probs, [[0.125, 0.5, 0.125, 0.125, 0.125], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(made.scores, [0.5, 1])
    assert row(found, classes=0).class_probs.shape == (2, 0)
    with pytest.raises(DataError, match="--classes"):
        row(found, classes=3)


def test_attributes_count_without_none() -> None:
    made = row(record(attributes=np.array([0, 4]), attribute_scores=np.array([0.5, 0.25], np.float32)))
    assert made.attributes.tolist() == [0, 4]
    assert made.attribute_scores.tolist() == [0.5, 0.25]
    probs = np.array([[0.75, 0, 0.25], [0, 0.5, 0.25]], np.float32)
    made = row(record(attribute_probs=probs))
    assert made.attributes.tolist() == [1, 0]
    assert made.attribute_scores.tolist() == [0.25, 0.5]
    made = row(record())
    assert made.attributes.tolist() == [-1, -1]
    with pytest.raises(DataError, match="--attributes"):
        row(record(attributes=np.array([0, 5])))


def test_regions_without_anything_else() -> None:
    made = row(record())
    assert made.scores.tolist() == [1, 1]
    assert made.class_probs.shape == (2, 0)
    assert (made.size, made.features.dtype) == ((100, 80), np.dtype(np.float16))


def test_boxes_with_a_size_stay_as_they_are() -> None:
    boxes, size = place(record(), {})
    assert boxes is BOXES
    assert size == (100, 80)


def test_shares_become_pixels_where_the_size_is_told_and_stay_where_not() -> None:
    shares = BOXES / np.array([100, 80, 100, 80], np.float32)
    found = record(boxes=None, shares=shares, size=None)
    boxes, size = place(found, {"a": (100, 80)})
    np.testing.assert_allclose(boxes, BOXES, rtol=1e-6)
    assert size == (100, 80)
    np.testing.assert_array_equal(place(found, {})[0], shares)
    assert place(found, {})[1] == (1, 1)
    with pytest.raises(DataError, match="no size of image 'a'"):
        place(found, {"b": (1, 1)})


def test_boxes_without_any_size_are_divided_by_how_far_they_reach() -> None:
    boxes, size = place(record(size=None), {})
    np.testing.assert_array_equal(boxes, BOXES / np.array([100, 80, 100, 80], np.float32))
    assert size == (1, 1)
    with pytest.raises(DataError, match="no further than 0"):
        place(record(size=None, boxes=np.zeros((2, 4), np.float32)), {})


def test_no_boxes_are_the_whole_image() -> None:
    boxes, size = place(record(boxes=None), {})
    assert boxes.tolist() == [[0, 0, 100, 80]] * 2
    boxes, size = place(record(boxes=None, size=None), {})
    assert boxes.tolist() == [[0, 0, 1, 1]] * 2
    assert size == (1, 1)


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (1333, 799), (7, 4000)])
def test_the_size_is_found_again_from_both_kinds_of_boxes(size: tuple[int, int]) -> None:
    side = np.array(size * 2, np.float32)
    boxes = (np.random.default_rng(0).random((9, 4), np.float32) * side).astype(np.float32)
    assert ratio(boxes, boxes / side) == size
    assert ratio(np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)) is None


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match="3 numbers, the others have 2"):
        to_row(record(), Widths(2, 0, 0), {})
    with pytest.raises(DataError, match="0 classes, the first had 5"):
        to_row(record(), Widths(3, 5, 0), {})
    with pytest.raises(DataError, match="no attributes"):
        to_row(record(), Widths(3, 0, 5), {})
    with pytest.raises(DataError, match="float16"):
        row(record(features=np.full((2, 3), 1e5, np.float32)))


BROKEN = {
    "no regions": {"features": np.zeros((0, 3), np.float32)},
    "no vectors": {"features": np.zeros((2, 0), np.float32)},
    "too few boxes": {"boxes": BOXES[:1]},
    "no number": {"features": np.array([[np.nan], [1]], np.float32)},
    "an infinite box": {"boxes": BOXES + np.float32(np.inf)},
    "a class below zero": {"classes": np.array([0, -1])},
    "no pixels": {"size": (0, 5)},
}


@pytest.mark.parametrize("fields", BROKEN.values(), ids=list(BROKEN))
def test_a_record_that_contradicts_itself_is_none(fields: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        record(**fields)
