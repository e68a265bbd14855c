"""NLVR2: the share of right judgements, and of sentences that are judged right on every pair of pictures.

As the data set's own ``metrics.py`` has it (Suhr et al., ACL 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import DataError


def right(labels: Mapping[str, str], predictions: Mapping[str, str]) -> NDArray[np.float64]:
    """1 for each label, by identifier, that the prediction agrees with in any case of letters, else 0.

    Raises:
        DataError: an identifier has no prediction. Predictions of others are ignored.
    """
    missing = [identifier for identifier in labels if identifier not in predictions]
    if missing:
        raise DataError(f"{len(missing)} of {len(labels)} statements have no prediction, the first is {missing[0]}")
    return np.array([predictions[i].lower() == label.lower() for i, label in labels.items()], np.float64)


def sentence(identifier: str) -> str:
    """What the statements of one sentence share: split, set and sentence, as ``dev-12--1`` of ``dev-12-3-1``.

    Raises:
        DataError: the identifier has another form.
    """
    parts = identifier.split("-")
    if len(parts) != 4:
        raise DataError(f"{identifier!r} is no identifier of NLVR2: it has the form split-set-pair-sentence")
    return "-".join([*parts[:2], "", parts[3]])


def consistent(right: NDArray[np.float64], sentences: Sequence[str]) -> NDArray[np.float64]:
    """1 for each sentence all of whose judgements ``right`` [N] are right, else 0; ``sentences`` [N] names them."""
    names, group = np.unique(np.asarray(sentences), return_inverse=True)
    least = np.ones(len(names))
    np.minimum.at(least, group, right)
    return least
