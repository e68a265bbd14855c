"""VCR: the right answer (Q→A), the right reason given the right answer (QA→R), and both (Q→AR) (Zellers et al., CVPR 2019)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray


def right(scores: Float[np.ndarray, "N K"], labels: Int[np.ndarray, "N"]) -> NDArray[np.float64]:
    """1 where the label has the highest score, the first of equal ones, else 0: Q→A, or QA→R with scores of reasons."""
    return np.asarray(scores.argmax(1) == labels, np.float64)


def both(answers: NDArray[np.float64], reasons: NDArray[np.float64]) -> NDArray[np.float64]:
    """Q→AR: 1 where the answer and the reason, judged by ``right``, are both right."""
    return answers * reasons
