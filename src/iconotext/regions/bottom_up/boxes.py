"""Boxes by the rules of the published Caffe code, in which a box from x1 to x2 is x2 - x1 + 1 pixels wide.

Sources: `rbgirshick/py-faster-rcnn:lib/{rpn/generate_anchors,rpn/proposal_layer,fast_rcnn/bbox_transform}.py`, which
`peteanderson80/bottom-up-attention` uses unchanged; the values in the tests are worked out by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import nms

STRIDE = 16
"""Pixels of the network's input a cell of its map."""
_LARGEST = math.log(1000 / STRIDE)
_SNAP = 1024


@dataclass(frozen=True)
class ProposalRules:
    """Which anchors become proposals; the defaults are those of the published test configuration.

    The ``before`` best are kept, those that overlap a better one by more than ``nms`` are dropped, and the ``after`` best of
    the rest are proposals. ``side`` is the least side in pixels of the original picture.
    """

    before: int = 6000
    after: int = 300
    nms: float = 0.7
    side: float = 16.0


def cell_anchors(
    scales: tuple[int, ...] = (4, 8, 16, 32), ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
) -> Float[Tensor, "A 4"]:
    """The anchors around the first place: for each ratio (height to width) every scale of a cell of 16 pixels.

    Sides are rounded before they are scaled, so that the areas differ a little, as in the code they come from.
    """
    anchors = []
    for ratio in ratios:
        width = round(math.sqrt(STRIDE**2 / ratio))
        high, wide = round(width * ratio), width
        for scale in scales:
            half = [(wide * scale - 1) / 2, (high * scale - 1) / 2]
            centre = (STRIDE - 1) / 2
            anchors.append([centre - half[0], centre - half[1], centre + half[0], centre + half[1]])
    return torch.tensor(anchors)


def grid_anchors(cell: Float[Tensor, "A 4"], rows: int, columns: int) -> Float[Tensor, "K 4"]:
    """The anchors of every place, place by place, row by row."""
    y, x = torch.meshgrid(
        torch.arange(rows, device=cell.device), torch.arange(columns, device=cell.device), indexing="ij"
    )
    shift = STRIDE * torch.stack([x, y, x, y], dim=-1).view(-1, 1, 4)
    return (shift + cell).view(-1, 4)


def move(boxes: Float[Tensor, "N 4"], deltas: Float[Tensor, "N 4"]) -> Float[Tensor, "N 4"]:
    """The boxes moved by shares of their sides (x, y) and by logarithms of their sides (width, height)."""
    side = boxes[:, 2:] - boxes[:, :2] + 1
    centre = boxes[:, :2] + 0.5 * side + deltas[:, :2] * side
    half = 0.5 * side * deltas[:, 2:].clamp(max=_LARGEST).exp()
    return torch.cat([centre - half, centre + half], dim=1)


def clip(boxes: Float[Tensor, "N 4"], size: tuple[int, int]) -> Float[Tensor, "N 4"]:
    """The boxes inside a picture of this (width, height), whose last pixel is width - 1."""
    most = boxes.new_tensor([size[0] - 1, size[1] - 1] * 2)
    return boxes.clamp(min=0).minimum(most)


def suppress(boxes: Float[Tensor, "N 4"], scores: Float[Tensor, "N"], threshold: float) -> Int[Tensor, "K"]:
    """The boxes that no better one overlaps by more than the threshold, the best first; ends of boxes are pixels of theirs."""
    kept: Tensor = nms(boxes + boxes.new_tensor([0, 0, 1, 1]), scores, threshold)
    return kept


def propose(
    anchors: Float[Tensor, "K 4"],
    objectness: Float[Tensor, "K"],
    deltas: Float[Tensor, "K 4"],
    size: tuple[int, int],
    scale: float,
    rules: ProposalRules,
) -> Float[Tensor, "P 4"]:
    """The proposals of one picture, the most object-like first, in pixels of the network's input.

    Args:
        size: width and height of the picture as the network sees it.
        scale: what a pixel of the original is there.
    """
    boxes = clip(move(anchors, deltas), size)
    large = (boxes[:, 2:] - boxes[:, :2] + 1 >= rules.side * scale).all(dim=1)
    boxes, scores = boxes[large], objectness[large]
    order = scores.argsort(descending=True, stable=True)[: rules.before]
    boxes, scores = boxes[order], scores[order]
    return snap(boxes[suppress(boxes, scores, rules.nms)[: rules.after]])


def snap(boxes: Float[Tensor, "N 4"]) -> Float[Tensor, "N 4"]:
    """The boxes at multiples of 1/1024 pixel.

    Pooling rounds a box to cells. A box that was handed out in pixels of the original and comes back as a given one must
    not fall on the other side of the middle between two cells by the rounding of that way.
    """
    return (boxes * _SNAP).round() / _SNAP
