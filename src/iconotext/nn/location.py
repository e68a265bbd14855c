"""Location encodings: numbers made from a box and the size of its image."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from iconotext.core.boxes import area
from iconotext.nn.terms import LocationKind


def encode_location(
    kind: LocationKind, boxes: Float[Tensor, "M 4"], sizes: Float[Tensor, "M 2"]
) -> Float[Tensor, "M L"]:
    """The location encoding of each box.

    ``boxes`` and ``sizes`` (width, height of the box's image) are pixels. box4: corners over the image's sides (LXMERT);
    box5: box4 and the share of the image's area (ViLBERT); box7: box4, width, height and their product (UNITER).
    """
    if kind == "none":
        return boxes[:, :0]
    corners = boxes / torch.cat([sizes, sizes], dim=1)
    if kind == "box4":
        return corners
    if kind == "box5":
        return torch.cat([corners, (area(boxes) / sizes.prod(dim=1))[:, None]], dim=1)
    side = corners[:, 2:] - corners[:, :2]
    return torch.cat([corners, side, side.prod(dim=1, keepdim=True)], dim=1)
