"""Patches of plain pixels in place of regions: nothing has looked at the picture before the model does (ViLT)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32
from PIL import Image

from iconotext.core.fingerprint import Fingerprint
from iconotext.regions import resize
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.grid import cells
from iconotext.regions.resize import RULE, Fitted

SIDE = 32
"""Pixels of a patch's side, as published."""


class PatchDetector:
    """Squares of 32 x 32 pixels, row by row from the upper left, every one with score 1, no class and no attribute.

    The feature of a patch is its pixels, colour by colour and row by row, (value - 127.5) / 127.5: what a convolution over
    patches reads. Pictures are brought to ``columns`` x ``rows`` patches whatever their aspect ratio.
    """

    needs_boxes = False
    fit = staticmethod(resize.fit)
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()

    def __init__(self, columns: int = 6, rows: int = 4) -> None:
        self.fingerprint = Fingerprint(
            detector="patches",
            weights="none",
            layer="pixels, colour by colour, (value - 127.5) / 127.5",
            resize=f"{RULE}; what the picture fills of that to patches of {SIDE}x{SIDE}, bilinear",
            colour_order="RGB",
            boxes=f"grid {columns}x{rows}",
            dtype="float32",
            feature_dim=3 * SIDE**2,
            classes=0,
            attributes=0,
        )
        self._columns, self._rows = columns, rows

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The patches of each picture."""
        return [self._patches(p if isinstance(p, Fitted) else self.fit(p)) for p in pictures]

    def _patches(self, picture: Fitted) -> Detections:
        wide, high = picture.extent
        size = (self._columns * SIDE, self._rows * SIDE)
        image = Image.fromarray(picture.pixels[:high, :wide]).resize(size, Image.Resampling.BILINEAR)
        cut = np.asarray(image, np.float32).reshape(self._rows, SIDE, self._columns, SIDE, 3).transpose(0, 2, 4, 1, 3)
        features: Float32[np.ndarray, "R F"] = (cut.reshape(self._rows * self._columns, -1) - 127.5) / 127.5
        count = len(features)
        return Detections(
            boxes=cells(self._columns, self._rows) * np.array(picture.size * 2, dtype=np.float32),
            scores=np.ones(count, dtype=np.float32),
            features=features,
            class_probs=np.zeros((count, 0), dtype=np.float32),
            attributes=np.full(count, -1, dtype=np.int32),
            attribute_scores=np.zeros(count, dtype=np.float32),
        )
