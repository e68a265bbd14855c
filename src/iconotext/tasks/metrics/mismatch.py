"""How many pairs of a data set are mismatched, and which, from their scores and those of pairs that are known to be.

Known mismatches are made: texts of the data with pictures of other texts. A wrong pair of the data is taken to score as one of
them does. ``scores`` [N] are of the data's pairs, ``known`` [K] of known mismatches, larger for what belongs together.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

BINS = 20
"""Parts of the scores, as many pairs in each, in which pairs are believed alike."""

Scores = Float[np.ndarray, "N"]
Known = Float[np.ndarray, "K"]


def mismatched_share(scores: Scores, known: Known) -> float:
    """The share of the pairs that are mismatched: twice the share that scores below the median of the known mismatches.

    Half of the mismatched pairs do, and of the others hardly one where the model tells them apart; where it does not, the
    share comes out too large, never too small (Blanchard, Lee and Scott, JMLR 2010, whose bound this is at one point). Pairs
    that score just as the median count half.
    """
    median = np.median(known)
    below = float((scores < median).mean() + (scores <= median).mean()) / 2
    return min(1.0, 2 * below)


def belief(scores: Scores, known: Known, share: float) -> Scores:
    """The probability [N] that each pair belongs together, where ``share`` of all do not.

    By Bayes' rule within each of ``BINS`` quantiles: 1 - share * (part of the known mismatches) / (part of the pairs), and no
    less than in the quantiles below.
    """
    edges = np.quantile(scores, np.arange(1, BINS) / BINS)
    place = np.searchsorted(edges, scores, side="right")
    own = np.bincount(place, minlength=BINS) / len(scores)
    others = np.bincount(np.searchsorted(edges, known, side="right"), minlength=BINS) / len(known)
    # Where equal scores leave a quantile empty it says nothing.
    right = np.where(own > 0, 1 - share * others / np.maximum(own, 1 / len(scores)), 0)
    found: Scores = np.maximum.accumulate(right.clip(0, 1))[place]
    return found
