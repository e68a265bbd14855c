"""The rule that brings a picture of any size to the size that a network sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from iconotext.core.errors import DataError

WIDTH, HEIGHT = 256, 192
GREY = 128


@dataclass(frozen=True)
class Frame:
    """The size, in pixels, that pictures are fitted into."""

    width: int = WIDTH
    height: int = HEIGHT

    def __str__(self) -> str:
        return (
            f"fit inside {self.width}x{self.height} keeping the aspect ratio, bilinear with antialias, "
            f"grey {GREY} right and below"
        )


SMALL = Frame()
"""The size of the world's pictures, and of the network in the package."""
RULE = str(SMALL)


@dataclass(frozen=True)
class Fitted:
    """A picture as a network sees it, with its original size (width, height) in pixels.

    ``extent`` is the part (width, height) of ``pixels`` that the picture fills, from the upper left. ``boxes`` are given
    boxes in pixels of the original, None where none were given.
    """

    pixels: UInt8[np.ndarray, "_ _ 3"]
    size: tuple[int, int]
    extent: tuple[int, int]
    boxes: Float32[np.ndarray, "R 4"] | None = None

    @property
    def scale(self) -> Float32[np.ndarray, "4"]:
        """What a box of the original is multiplied by, coordinate by coordinate."""
        (width, height), (wide, high) = self.size, self.extent
        return np.array([wide / width, high / height] * 2, dtype=np.float32)


def fit(
    picture: UInt8[np.ndarray, "H W 3"], boxes: Float32[np.ndarray, "R 4"] | None = None, frame: Frame = SMALL
) -> Fitted:
    """The picture inside the frame; one that has its size is taken as it is.

    Raises:
        DataError: a given box is empty or not finite.
    """
    _require_boxes(boxes)
    height, width = picture.shape[:2]
    ratio = min(frame.width / width, frame.height / height)
    extent = max(1, round(width * ratio)), max(1, round(height * ratio))
    if extent != (width, height):
        resized = Image.fromarray(picture).resize(extent, Image.Resampling.BILINEAR, reducing_gap=3.0)
        picture = np.asarray(resized)
    pixels = np.full((frame.height, frame.width, 3), GREY, dtype=np.uint8)
    pixels[: extent[1], : extent[0]] = picture
    return Fitted(pixels, (width, height), extent, boxes)


def as_it_is(picture: UInt8[np.ndarray, "H W 3"], boxes: Float32[np.ndarray, "R 4"] | None = None) -> Fitted:
    """The picture in its own size, for a network that resizes by itself.

    Raises:
        DataError: a given box is empty or not finite.
    """
    _require_boxes(boxes)
    height, width = picture.shape[:2]
    return Fitted(picture, (width, height), (width, height), boxes)


def stretch(
    picture: UInt8[np.ndarray, "H W 3"], width: int, height: int, boxes: Float32[np.ndarray, "R 4"] | None = None
) -> Fitted:
    """The picture brought to exactly this size, whatever its aspect ratio; bilinear with antialias.

    Raises:
        DataError: a given box is empty or not finite.
    """
    _require_boxes(boxes)
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return Fitted(np.asarray(image), (picture.shape[1], picture.shape[0]), (width, height), boxes)


def _require_boxes(boxes: Float32[np.ndarray, "R 4"] | None) -> None:
    if boxes is not None and not (np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()):
        raise DataError(f"a box is x1, y1, x2, y2 in pixels with x1 < x2 and y1 < y2; these are not: {boxes.tolist()}")
