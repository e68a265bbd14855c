"""Recall of phrase grounding: whether one of the k best regions covers what a phrase means, with an IoU of at least 0.5.

A phrase may mean several boxes ("two men"). By the protocol "any" a region is right that covers one of them (BAN, VisualBERT,
MDETR's ANY-BOX); by "merged" it has to cover the smallest box around them all (Plummer et al., IJCV 2017, MDETR's
MERGED-BOXES). Never compare figures of the two. Neither adds a pixel to a width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import comb
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from iconotext.tasks.metrics.boxes import ENOUGH, from_corners, iou

CONVENTION = "no_plus_one"
"""How BAN, VisualBERT and MDETR measure boxes (``metrics.boxes``)."""
DEPTHS = (1, 5, 10)


def around(boxes: Float[np.ndarray, "K 4"]) -> Float[np.ndarray, "1 4"]:
    """The smallest box around boxes, as one row."""
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])[None]


PROTOCOLS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = MappingProxyType(
    {"any": np.asarray, "merged": around}
)
"""Which boxes are right, of those that a phrase means."""


def covers(regions: Float[np.ndarray, "R 4"], boxes: Float[np.ndarray, "K 4"]) -> Float[np.ndarray, "R"]:
    """The IoU of each region [x1, y1, x2, y2] with the one of the boxes that it covers best."""
    pairs = from_corners(regions.repeat(len(boxes), 0)), from_corners(np.tile(boxes, (len(regions), 1)))
    best: Float[np.ndarray, "R"] = iou(*pairs, CONVENTION).reshape(len(regions), len(boxes)).max(1, initial=0.0)
    return best


def right(regions: Float[np.ndarray, "R 4"], boxes: Float[np.ndarray, "K 4"], protocol: str) -> Bool[np.ndarray, "R"]:
    """Which regions are right by a protocol."""
    return np.asarray(covers(regions, PROTOCOLS[protocol](boxes)) >= ENOUGH)


def recall(scores: Float[np.ndarray, "R"], hits: Bool[np.ndarray, "R"], k: int) -> float:
    """Whether a right region is among the ``k`` with the highest scores; the chance of it where equal scores decide."""
    if not hits.any():
        return 0.0
    best = scores[hits].max()
    places, equal = k - int((scores > best).sum()), int((scores == best).sum())
    wrong = equal - int((scores[hits] == best).sum())
    return 0.0 if places <= 0 else 1 - comb(wrong, places) / comb(equal, places) if places < equal else 1.0
