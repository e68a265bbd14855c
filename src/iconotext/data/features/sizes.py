"""Where boxes lie: the size of an image found again from its boxes, and boxes in the store's terms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from iconotext.core.errors import DataError
from iconotext.data.features.record import Record, Size
from iconotext.data.shard import F32


def ratio(boxes: F32, shares: F32) -> Size | None:
    """The image's size from boxes in pixels and the same as shares of it; None where no box tells it.

    The median over all coordinates that are not zero, rounded: exact, since both are float32 of the same boxes.
    """
    sides = []
    for axis in (0, 1):
        pixels, share = boxes[:, axis::2].ravel().astype(np.float64), shares[:, axis::2].ravel()
        told = (share > 1e-4) & (pixels > 0)
        if not told.any():
            return None
        sides.append(round(float(np.median(pixels[told] / share[told]))))
    return (sides[0], sides[1]) if min(sides) > 0 else None


def place(record: Record, sizes: Mapping[str, Size]) -> tuple[F32, Size]:
    """A record's boxes in pixels and the image's size.

    Where a file does not store the size it is looked up in ``sizes``. Without it the image counts as 1 x 1, with boxes as
    shares of it, so that a model's location encoding, which divides by the size, is as it would be. Boxes in pixels without
    any size are divided by the largest x and y among them, as Unified VLP does (seq2seq_loader.py), and regions without
    boxes are the whole image.

    Raises:
        DataError: ``sizes`` has sizes but not this one.
    """
    size = record.size or sizes.get(record.image_id)
    if size is None and sizes:
        raise DataError(f"--sizes has no size of image {record.image_id!r}")
    if record.boxes is not None and size is not None:
        return record.boxes, size
    if record.shares is not None:
        width, height = size or (1, 1)
        return record.shares * np.array([width, height] * 2, np.float32), (width, height)
    whole = np.array([0, 0, *(size or (1, 1))], np.float32)
    if record.boxes is None:
        return np.tile(whole, (len(record.features), 1)), size or (1, 1)
    extent = record.boxes[:, 2:].max(axis=0)
    if (extent <= 0).any():
        raise DataError("the boxes reach no further than 0, so they tell nothing of the image's size")
    return record.boxes / np.tile(extent, 2), (1, 1)
