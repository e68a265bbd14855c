"""Boxes ``[x1, y1, x2, y2]`` in pixels, on torch tensors: area, overlap, containment."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, maximum, minimum


def area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Area in square pixels, without the legacy "+1"; a box turned inside out has none."""
    side = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return side[..., 0] * side[..., 1]


def intersection(a: Float[Tensor, "*n 4"], b: Float[Tensor, "*m 4"]) -> Float[Tensor, "*nm"]:
    """Area that both boxes cover; the arguments broadcast against each other."""
    low = maximum(a[..., :2], b[..., :2])
    high = minimum(a[..., 2:], b[..., 2:])
    side = (high - low).clamp(min=0)
    return side[..., 0] * side[..., 1]


def iou(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Intersection over union of every box of ``a`` with every box of ``b``; 0 where both are empty."""
    common = intersection(a[:, None], b[None])
    union = area(a)[:, None] + area(b)[None] - common
    return common / union.clamp(min=1e-9)


def overlap(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """The larger of IoU and containment: how much of the *smaller* box the other covers.

    This is what a masked region can leak through: a box inside a larger kept one has a small IoU and is fully visible.
    """
    common = intersection(a[:, None], b[None])
    smaller = minimum(area(a)[:, None], area(b)[None])
    return common / smaller.clamp(min=1e-9)
