"""Box arithmetic against torchvision's, and what "overlap" adds to it."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision import ops

from iconotext.core.boxes import area, intersection, iou, overlap


@st.composite
def some_boxes(draw: st.DrawFn) -> Tensor:
    corner = st.tuples(*[st.integers(0, 40)] * 4)
    corners = torch.tensor(draw(st.lists(corner, min_size=1, max_size=6))).float()
    return torch.cat([torch.minimum(corners[:, :2], corners[:, 2:]), torch.maximum(corners[:, :2], corners[:, 2:])], 1)


@given(some_boxes(), some_boxes())
def test_iou_and_area_are_torchvisions(a: Tensor, b: Tensor) -> None:
    assert torch.equal(area(a), ops.box_area(a))
    union = area(a)[:, None] + area(b)[None] - intersection(a[:, None], b[None])
    theirs = torch.where(union > 0, ops.box_iou(a, b), 0.0)  # theirs is NaN where both are empty
    torch.testing.assert_close(iou(a, b), theirs)


@given(some_boxes(), some_boxes())
def test_overlap_is_the_covered_share_of_the_smaller_box(a: Tensor, b: Tensor) -> None:
    found = overlap(a, b)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found >= iou(a, b) - 1e-6).all()
    torch.testing.assert_close(found, overlap(b, a).T)
    for i, one in enumerate(a.tolist()):
        for j, other in enumerate(b.tolist()):
            wide = min(one[2], other[2]) - max(one[0], other[0])
            high = min(one[3], other[3]) - max(one[1], other[1])
            common = max(wide, 0) * max(high, 0)
            smaller = min((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one, other))
            assert abs(float(found[i, j]) - (common / smaller if smaller else 0)) < 1e-6


def test_a_small_box_in_a_large_one_is_wholly_covered() -> None:
    large, small = torch.tensor([[0.0, 0, 100, 100]]), torch.tensor([[40.0, 40, 50, 50]])
    assert iou(large, small) < 0.02
    assert overlap(large, small) == 1


def test_a_box_turned_inside_out_has_no_area() -> None:
    turned = torch.tensor([[10.0, 10, 5, 20]])
    assert area(turned) == 0
    assert overlap(turned, torch.tensor([[0.0, 0, 30, 30]])) == 0
