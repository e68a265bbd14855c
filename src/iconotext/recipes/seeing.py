"""Pictures of one's own, and their regions as a store would give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from iconotext.core.errors import DataError
from iconotext.data.pictures import decode
from iconotext.data.store import PackedRegions
from iconotext.regions.detections import Detections

Picture = str | Path | Image.Image


def pack(found: Sequence[tuple[tuple[int, int], Detections]]) -> PackedRegions:
    """The regions of pictures as a store would give them."""
    counts = [len(detections) for _, detections in found]
    arrays = {
        name: np.concatenate([getattr(detections, name) for _, detections in found])
        for name in ("boxes", "scores", "features", "class_probs", "attributes", "attribute_scores")
    }
    # A store keeps features and probabilities as float16, and so the model saw them in training.
    arrays |= {name: arrays[name].astype(np.float16) for name in ("features", "class_probs")}
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return PackedRegions(sizes=np.array([size for size, _ in found], np.int32), offsets=offsets, **arrays)


def opened(picture: Picture) -> Image.Image:
    """A picture as RGB.

    Raises:
        DataError: it cannot be read.
    """
    if isinstance(picture, Image.Image):
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    try:
        return decode(Path(picture).read_bytes())
    except OSError as error:
        raise DataError(f"{picture} cannot be read: {error.strerror}.") from error
    except DataError as error:
        raise DataError(f"{picture}: {error}") from error
