"""How far a found box covers the right one, by each published evaluator's own convention, and when that is a hit.

The conventions differ in whether a pixel has a width of its own ("+1"), in how a width becomes a corner, and in whether
exactly 0.5 is enough. On small boxes that decides: on the same predictions they can lie several points apart. State the
convention with every figure, and never compare figures of two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float

Boxes = Float[np.ndarray, "N 4"]
Overlaps = Float[np.ndarray, "N"]

ENOUGH = 0.5
"""The overlap of a hit."""


@dataclass(frozen=True)
class Convention:
    """How an evaluator measures boxes ``[x, y, width, height]``.

    ``inset`` is taken off a width to get the far corner, ``pixel`` is added to every distance of corners. With ``sides``
    areas are width times height as given, otherwise they are measured between the corners. With ``wide`` an intersection has
    to be more than one pixel wide and high. ``reaches``: exactly 0.5 is a hit. ``generalised`` judges by the generalised
    IoU (Rezatofighi et al., CVPR 2019) in place of the IoU.
    """

    inset: int = 0
    pixel: int = 0
    sides: bool = False
    wide: bool = False
    reaches: bool = True
    generalised: bool = False


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "no_plus_one": Convention(sides=True),
        "uniter": Convention(inset=1, pixel=1, sides=True, wide=True, reaches=False),
        "mattnet": Convention(inset=1, pixel=1, sides=True, wide=True),
        "volta": Convention(pixel=1, reaches=False),
        "vlbert": Convention(inset=1, pixel=1),
        "mdetr": Convention(generalised=True),
    }
)
"""pycocotools; UNITER; MAttNet and the REFER tools; VOLTA and ViLBERT; VL-BERT; MDETR."""

OFFICIAL = "mattnet"
"""The convention of the referring expression tools (Yu et al., CVPR 2018), which figures have if nothing else is said."""


def iou(found: Boxes, right: Boxes, convention: str = OFFICIAL) -> Overlaps:
    """Intersection over union of each pair of boxes [x, y, width, height]; 0 where both are empty."""
    common, union, _ = _areas(found, right, CONVENTIONS[convention])
    return _share(common, union)


def giou(found: Boxes, right: Boxes) -> Overlaps:
    """Generalised IoU, from -1 to 1: the IoU less the share of the smallest box around both that neither covers."""
    common, union, around = _areas(found, right, CONVENTIONS["mdetr"])
    lost = _share(around - union, around)
    return np.asarray(_share(common, union) - lost)


def hits(found: Boxes, right: Boxes, convention: str = OFFICIAL) -> Bool[np.ndarray, "N"]:
    """Whether each found box [x, y, width, height] counts as the right one."""
    rule = CONVENTIONS[convention]
    overlap = giou(found, right) if rule.generalised else iou(found, right, convention)
    return np.asarray(overlap >= ENOUGH if rule.reaches else overlap > ENOUGH)


def from_corners(boxes: Boxes) -> Boxes:
    """Boxes [x, y, width, height] in double precision from [x1, y1, x2, y2]."""
    corners = np.asarray(boxes, np.float64)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)


def _share(part: Overlaps, whole: Overlaps) -> Overlaps:
    share: Overlaps = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return share


def _areas(found: Boxes, right: Boxes, rule: Convention) -> tuple[Overlaps, Overlaps, Overlaps]:
    """The areas of the intersection, the union, and the smallest box around both.

    The order of the operations is that of the originals, since a hit may hang on the last bit.
    """
    a, b = np.asarray(found, np.float64), np.asarray(right, np.float64)
    ends = a[:, :2] + a[:, 2:] - rule.inset, b[:, :2] + b[:, 2:] - rule.inset
    apart = np.minimum(*ends) - np.maximum(a[:, :2], b[:, :2])
    side = np.clip(apart + rule.pixel, 0, None)
    common = side[:, 0] * side[:, 1]
    if rule.wide:
        common = np.where((apart > 0).all(1), common, 0.0)
    first, second = (
        (box[:, 2:] if rule.sides else end - box[:, :2] + rule.pixel).prod(1) for box, end in zip((a, b), ends)
    )
    around = np.maximum(*ends) - np.minimum(a[:, :2], b[:, :2]) + rule.pixel
    return common, first + second - common, around.prod(1)
