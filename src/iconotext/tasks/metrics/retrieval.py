"""Recall of text and image retrieval from a score matrix, the papers' protocol.

Text to image: each text ranks all images, its own is the right one. Image to text: each image ranks all texts, and the best of
its own counts. An image without a text is ranked by the texts and asks nothing itself.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

Ties = Literal["expected", "won", "lost"]
"""Where equal scores stand: at the mean of all their orders (half ranks may come out), the right one first, or last."""

DEPTHS = (1, 5, 10)
"""The k of the recalls that papers report."""

Ranks = NDArray[np.float64]


def text_to_image(scores: Float[np.ndarray, "N M"], owner: NDArray[np.int64], ties: Ties = "expected") -> Ranks:
    """The rank [N], from 1 on, of each text's own image ``owner`` [N] among all."""
    own = scores[np.arange(len(scores)), owner][:, None]
    better = (scores > own).sum(1)
    equal = (scores == own).sum(1) - 1
    return _rank(better, equal, np.ones_like(equal), ties)


def image_to_text(scores: Float[np.ndarray, "N M"], owner: NDArray[np.int64], ties: Ties = "expected") -> Ranks:
    """The rank [M], from 1 on, of the best of each image's own texts among all texts; NaN for an image without a text."""
    images = scores.shape[1]
    best = np.full(images, -np.inf, scores.dtype)
    np.maximum.at(best, owner, scores[np.arange(len(scores)), owner])
    better, level = (scores > best).sum(0), (scores == best).sum(0)
    own = np.bincount(owner[scores[np.arange(len(scores)), owner] == best[owner]], minlength=images)
    ranks = _rank(better, level - own, np.maximum(own, 1), ties)
    ranks[np.bincount(owner, minlength=images) == 0] = np.nan
    return ranks


def recall(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """1 for each query whose right answer stands among the first ``k``, else 0; queries without an answer are left out."""
    return (ranks[~np.isnan(ranks)] <= k).astype(np.float64)


def median_rank(ranks: Ranks) -> float:
    """The median, rounded down as the published code has it."""
    return float(np.floor(np.nanmedian(ranks)))


def _rank(better: NDArray[np.int64], equal: NDArray[np.int64], own: NDArray[np.int64], ties: Ties) -> Ranks:
    """The rank of the first of ``own`` right items among ``equal`` wrong ones of the same score, behind ``better``."""
    behind = {"won": 0.0 * equal, "lost": 1.0 * equal, "expected": equal / (own + 1)}
    return np.asarray(1 + better + behind[ties], np.float64)
