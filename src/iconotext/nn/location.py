"""Location encodings: numbers made from a box and the size of its image."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from iconotext.core.boxes import area
from iconotext.nn.terms import LocationKind


def encode_location(
    kind: LocationKind,
    boxes: Float[Tensor, "M 4"],
    sizes: Float[Tensor, "M 2"],
    scores: Float[Tensor, "M"] | None = None,
    rows: Int[Tensor, "M"] | None = None,
) -> Float[Tensor, "M L"]:
    """The location encoding of each box.

    ``boxes`` and ``sizes`` (width, height of the box's image) are pixels. box4: corners over the image's sides (LXMERT);
    box5: box4 and the share of the image's area (ViLBERT); box7: box4, width, height and their product (UNITER).
    sincos: a hundred times centre, width and height over the image's sides, from which the embedding makes sines and
    cosines (VL-BERT). box6: corners over the largest x and y that any box of the image has, their area, and the detector's
    ``scores`` (left out: 1); ``rows`` says which boxes are of one image (left out: all) (Unified VLP).
    slide: how far the box lies from left to right and from top to bottom, 0 to 1, by the way that its size leaves it (ViLT).
    """
    if kind == "none":
        return boxes[:, :0]
    if kind == "slide":
        return torch.nan_to_num(boxes[:, :2] / (sizes - boxes[:, 2:] + boxes[:, :2]), posinf=0.0, neginf=0.0)
    if kind == "box6":
        return _over_the_largest(boxes, scores, rows)
    corners = boxes / torch.cat([sizes, sizes], dim=1)
    if kind == "box4":
        return corners
    if kind == "box5":
        return torch.cat([corners, (area(boxes) / sizes.prod(dim=1))[:, None]], dim=1)
    side = corners[:, 2:] - corners[:, :2]
    if kind == "sincos":
        return 100 * torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, side], dim=1)
    return torch.cat([corners, side, side.prod(dim=1, keepdim=True)], dim=1)


def _over_the_largest(
    boxes: Float[Tensor, "M 4"], scores: Float[Tensor, "M"] | None, rows: Int[Tensor, "M"] | None
) -> Float[Tensor, "M 6"]:
    """VLP's numbers, of which its loader takes the largest over the boxes of an image (vlp/seq2seq_loader.py)."""
    rows = torch.zeros(len(boxes), dtype=torch.long) if rows is None else rows
    largest = boxes.view(-1, 2, 2).amax(1)
    many = int(rows.max()) + 1 if len(rows) else 0
    extent = boxes.new_zeros(many, 2).scatter_reduce(0, rows[:, None].expand(-1, 2), largest, "amax")[rows] + 1e-5
    corners = boxes / torch.cat([extent, extent], dim=1)
    sure = torch.ones(len(boxes)) if scores is None else scores
    return torch.cat([corners, area(corners)[:, None], sure[:, None]], dim=1)
