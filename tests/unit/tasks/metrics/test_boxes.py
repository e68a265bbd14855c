from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou, generalized_box_iou

from iconotext.tasks.metrics.boxes import CONVENTIONS, from_corners, giou, hits, iou

SIDE = st.floats(1, 50)
BOX = st.tuples(st.floats(0, 100), st.floats(0, 100), SIDE, SIDE)


@given(st.lists(st.tuples(BOX, BOX), min_size=1, max_size=5))
def test_without_the_pixel_they_are_those_of_torchvision(
    pairs: list[tuple[tuple[float, ...], tuple[float, ...]]],
) -> None:
    found, right = (np.array(boxes) for boxes in zip(*pairs))
    corners = [torch.from_numpy(np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], 1)) for b in (found, right)]
    for name in ("no_plus_one", "mdetr"):
        np.testing.assert_allclose(iou(found, right, name), box_iou(*corners).diagonal(), atol=1e-9)
    np.testing.assert_allclose(giou(found, right), generalized_box_iou(*corners).diagonal(), atol=1e-9)
    np.testing.assert_allclose(from_corners(corners[0].numpy()), found, atol=1e-9)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_box_hits_itself_and_nothing_far_away(name: str) -> None:
    boxes = np.array([[10.0, 10.0, 20.0, 20.0], [60.0, 60.0, 5.0, 5.0]])
    assert hits(boxes, boxes, name).all()
    assert not hits(boxes, boxes[::-1].copy(), name).any()


def test_half_is_enough_for_some() -> None:
    half, whole = np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([[0.0, 0.0, 10.0, 20.0]])
    assert {name: bool(hits(half, whole, name)[0]) for name in CONVENTIONS} == {
        "no_plus_one": True,
        "uniter": False,
        "mattnet": True,
        "volta": True,
        "vlbert": True,
        "mdetr": True,
    }


def test_empty_boxes_have_no_overlap() -> None:
    nothing = np.zeros((1, 4))
    assert iou(nothing, nothing, "no_plus_one")[0] == 0
    assert giou(nothing, nothing)[0] == 0
