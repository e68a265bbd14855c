"""How well a list of candidates is ordered by grades: NDCG@k, reciprocal rank, area under the ROC curve.

Each function looks at one query: ``scores`` [N] of its candidates, larger is better, and their ``grades`` [N], 0 for none.
Equal scores count at the mean over all their orders (McSherry and Najork, ECIR 2008), so no figure hangs on how a sort
happens to break ties. NaN where the query has no relevant candidate (AUC: or no other), which says nothing of the model.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

Gain = Literal["linear", "exponential"]
"""What a grade is worth: itself, as in trec_eval, or 2^grade - 1 (Burges et al., ICML 2005)."""

Scores = Float[np.ndarray, "N"]
Grades = Shaped[np.ndarray, "N"]


def ndcg(scores: Scores, grades: Grades, k: int = 10, gain: Gain = "linear") -> float:
    """Discounted gain of the first ``k``, expected over the orders of equal scores, over that of the best order.

    Järvelin and Kekäläinen (TOIS 2002), with the discount 1 / log2(rank + 1).
    """
    worth = np.asarray(grades, np.float64) if gain == "linear" else 2.0 ** np.asarray(grades, np.float64) - 1
    discount = 1 / np.log2(np.arange(2, len(worth) + 2))
    discount[k:] = 0
    best = float(np.sort(worth)[::-1] @ discount)
    if best <= 0:
        return math.nan
    # Each of a run of equal scores has the mean of their discounts.
    run = np.unique(-np.asarray(scores), return_inverse=True)[1]
    counts = np.bincount(run)
    mean = np.bincount(np.repeat(np.arange(len(counts)), counts), discount) / counts
    return float(worth @ mean[run]) / best


def reciprocal_rank(scores: Scores, grades: Grades, least: int = 1) -> float:
    """One over the rank of the first candidate with a grade of ``least`` or more, expected over the orders of equal scores."""
    relevant = np.asarray(grades) >= least
    if not relevant.any():
        return math.nan
    best = np.max(scores[relevant])
    before = int((scores > best).sum())
    equal = int((scores == best).sum())
    good = int((scores[relevant] == best).sum())
    orders = math.comb(equal, good)
    places = range(equal - good + 1)
    return sum(math.comb(equal - 1 - i, good - 1) / orders / (before + 1 + i) for i in places)


def auc(scores: Scores, grades: Grades, least: int = 1) -> float:
    """The chance that a candidate with a grade of ``least`` or more scores above another one; equal scores count half."""
    relevant = np.asarray(grades) >= least
    good, bad = scores[relevant], np.sort(scores[~relevant])
    if not len(good) or not len(bad):
        return math.nan
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.sum() / (2 * len(good) * len(bad)))
