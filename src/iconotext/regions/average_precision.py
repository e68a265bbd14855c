"""Average precision of a detector, as PASCAL VOC counts it since 2010: the area under the interpolated curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from numpy.typing import NDArray

from iconotext.core.boxes import iou


@dataclass(frozen=True)
class Found:
    """What a detector says of one picture."""

    boxes: Float32[np.ndarray, "R 4"]
    scores: Float32[np.ndarray, "R"]
    classes: Int[np.ndarray, "R"]


@dataclass(frozen=True)
class Objects:
    """What is in one picture."""

    boxes: Float32[np.ndarray, "K 4"]
    classes: Int[np.ndarray, "K"]


@dataclass(frozen=True)
class Precision:
    """``by_class`` is the average precision of each class that has objects, ``mean`` their mean, ``recall`` the share of all
    objects that were found with the right class.

    ``owners`` says for each picture which object each region finds, -1 where it finds none.
    """

    mean: float
    recall: float
    by_class: dict[int, float]
    owners: list[NDArray[np.int64]]


def mean_average_precision(found: Sequence[Found], objects: Sequence[Objects], threshold: float = 0.5) -> Precision:
    """Mean over classes at one IoU ``threshold``; ``found[i]`` and ``objects[i]`` are the same picture."""
    owners = [_owners(f, o, threshold) for f, o in zip(found, objects, strict=True)]
    hits = np.concatenate(owners) >= 0
    scores = np.concatenate([f.scores for f in found])
    guesses = np.concatenate([f.classes for f in found])
    truths = np.concatenate([o.classes for o in objects])
    by_class = {}
    for label in np.unique(truths).tolist():
        mine = guesses == label
        by_class[label] = average_precision(scores[mine], hits[mine], int((truths == label).sum()))
    return Precision(float(np.mean(list(by_class.values()))), float(hits.sum() / len(truths)), by_class, owners)


def average_precision(scores: Float[np.ndarray, "R"], hits: Bool[np.ndarray, "R"], positives: int) -> float:
    """The area under precision over recall, each precision replaced by the best at any higher recall."""
    hits = hits[np.argsort(-scores, kind="stable")]
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    best_ahead = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_ahead[hits].sum() / positives)


def _owners(found: Found, objects: Objects, threshold: float) -> Int[np.ndarray, "R"]:
    """What each region finds: in descending score each takes its best object of its class, if that is still free."""
    owners = np.full(len(found.boxes), -1)
    if len(objects.boxes) == 0:
        return owners
    overlap = iou(torch.from_numpy(found.boxes), torch.from_numpy(objects.boxes)).numpy()
    overlap = np.where(found.classes[:, None] == objects.classes[None], overlap, 0.0)
    for region in np.argsort(-found.scores, kind="stable"):
        best = int(overlap[region].argmax())
        if overlap[region, best] >= threshold and best not in owners:
            owners[region] = best
    return owners
