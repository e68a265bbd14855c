"""The one rule that brings a picture of any size to the size that the network sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from iconotext.core.errors import DataError

WIDTH, HEIGHT = 256, 192
GREY = 128
RULE = f"fit inside {WIDTH}x{HEIGHT} keeping the aspect ratio, bilinear with antialias, grey {GREY} right and below"


@dataclass(frozen=True)
class Fitted:
    """A picture as the network sees it, with its original size (width, height) in pixels.

    ``extent`` is the part (width, height) of ``pixels`` that the picture fills, from the upper left. ``boxes`` are given
    boxes in pixels of the original, None where none were given.
    """

    pixels: UInt8[np.ndarray, "192 256 3"]
    size: tuple[int, int]
    extent: tuple[int, int]
    boxes: Float32[np.ndarray, "R 4"] | None = None

    @property
    def scale(self) -> Float32[np.ndarray, "4"]:
        """What a box of the original is multiplied by, coordinate by coordinate."""
        (width, height), (wide, high) = self.size, self.extent
        return np.array([wide / width, high / height] * 2, dtype=np.float32)


def fit(picture: UInt8[np.ndarray, "H W 3"], boxes: Float32[np.ndarray, "R 4"] | None = None) -> Fitted:
    """The picture by ``RULE``; one that is 256 pixels wide and 192 high is taken as it is.

    Raises:
        DataError: a given box is empty or not finite.
    """
    if boxes is not None and not (np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()):
        raise DataError(f"a box is x1, y1, x2, y2 in pixels with x1 < x2 and y1 < y2; these are not: {boxes.tolist()}")
    height, width = picture.shape[:2]
    ratio = min(WIDTH / width, HEIGHT / height)
    extent = max(1, round(width * ratio)), max(1, round(height * ratio))
    if extent != (width, height):
        resized = Image.fromarray(picture).resize(extent, Image.Resampling.BILINEAR, reducing_gap=3.0)
        picture = np.asarray(resized)
    pixels = np.full((HEIGHT, WIDTH, 3), GREY, dtype=np.uint8)
    pixels[: extent[1], : extent[0]] = picture
    return Fitted(pixels, (width, height), extent, boxes)
