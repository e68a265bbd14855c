"""From a record as its file has it to a row of the region store: one convention for all.

Class 0 is the background, attributes count from 0 with -1 for none, boxes are pixels of the image (``sizes.place``),
features are float16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iconotext.core.errors import DataError
from iconotext.data.features.record import Record, Size
from iconotext.data.features.sizes import place
from iconotext.data.shard import F32, I64, ImageRegions

_GENOME = 1600
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Widths:
    """What is the same for all rows of a store: numbers a feature, classes with the background, attributes; 0 for none."""

    features: int
    classes: int
    attributes: int


def widths_of(record: Record, classes: int, attributes: int) -> Widths:
    """The widths that a record asks for; ``classes`` and ``attributes`` without background count where it has only numbers."""
    probs, attribute_probs = _with_background(record), record.attribute_probs
    if probs is not None:
        wide = probs.shape[1]
    else:
        wide = classes + 1 if record.classes is not None and classes else 0
    if attribute_probs is not None:
        attributes = attribute_probs.shape[1] - 1
    elif record.attributes is None:
        attributes = 0
    return Widths(record.features.shape[1], wide, attributes)


def to_row(record: Record, widths: Widths, sizes: Mapping[str, Size]) -> ImageRegions:
    """The record as the store keeps it.

    Raises:
        DataError: it has other widths, a class or attribute beyond them, a feature that float16 cannot hold, or no size.
    """
    if record.features.shape[1] != widths.features:
        raise DataError(f"its features have {record.features.shape[1]} numbers, the others have {widths.features}")
    if np.abs(record.features).max() > _LARGEST:
        raise DataError("a feature is too large for float16")
    boxes, size = place(record, sizes)
    probs = _class_probs(record, widths.classes)
    attributes, attribute_scores = _attributes(record, widths.attributes)
    return ImageRegions(
        image_id=record.image_id,
        size=size,
        boxes=boxes,
        scores=_scores(record, probs),
        features=record.features.astype(np.float16),
        class_probs=probs.astype(np.float16),
        attributes=attributes.astype(np.int32),
        attribute_scores=attribute_scores,
    )


def _with_background(record: Record) -> F32 | None:
    """Class probabilities with the background first: 1601 classes of Visual Genome have it and 1600 have not, others as read.

    Where it has been cut off it gets what the others leave of 1.
    """
    probs = record.class_probs
    if probs is None:
        return None
    present = record.background if probs.shape[1] not in (_GENOME, _GENOME + 1) else probs.shape[1] == _GENOME + 1
    if present:
        return probs
    rest = np.clip(1 - probs.sum(axis=1, keepdims=True), 0, None)
    return np.concatenate([rest, probs], axis=1).astype(np.float32)


def _class_probs(record: Record, width: int) -> F32:
    """[R, C]; where only the best class and its probability are known, the rest is spread evenly over the others."""
    rows = len(record.features)
    probs = _with_background(record)
    if probs is None and record.classes is not None and width:
        if record.classes.max() >= width - 1:
            raise DataError(
                f"it has class {record.classes.max()}, and there are {width - 1}: name their number by --classes"
            )
        sure = np.ones(rows, np.float32) if record.class_scores is None else record.class_scores
        if (sure < 0).any() or (sure > 1).any():
            raise DataError("the probability of a class is not between 0 and 1")
        probs = np.repeat(((1 - sure) / (width - 1))[:, None], width, axis=1).astype(np.float32)
        probs[np.arange(rows), record.classes + 1] = sure
    if (0 if probs is None else probs.shape[1]) != width:
        raise DataError(f"it has {0 if probs is None else probs.shape[1]} classes, the first had {width}")
    return np.zeros((rows, 0), np.float32) if probs is None else probs


def _scores(record: Record, probs: F32) -> F32:
    """How sure the detector was of each region: as stored, else its best class but the background, else 1."""
    if record.scores is not None:
        return record.scores
    if record.class_scores is not None:
        return record.class_scores
    return probs[:, 1:].max(axis=1) if probs.shape[1] > 1 else np.ones(len(record.features), np.float32)


def _attributes(record: Record, width: int) -> tuple[I64, F32]:
    """The attribute of each region and its probability, -1 and 0 where there are none."""
    rows, probs = len(record.features), record.attribute_probs
    if not width:
        return np.full(rows, -1), np.zeros(rows, np.float32)
    if probs is not None and probs.shape[1] != width + 1:
        raise DataError(f"it has {probs.shape[1] - 1} attributes, the first had {width}")
    best = record.attributes
    if best is None and probs is not None:
        best = probs[:, 1:].argmax(axis=1)
    if best is None:
        raise DataError("it has no attributes, the first had")
    if best.max() >= width:
        raise DataError(f"it has attribute {best.max()}, and there are {width}: name their number by --attributes")
    if record.attribute_scores is not None:
        return best, record.attribute_scores
    return best, np.ones(rows, np.float32) if probs is None else probs[np.arange(rows), best + 1]
