"""Regions drawn on their picture, each with its label."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

_GOLDEN = 0.6180339887


def draw_regions(
    image: Image.Image,
    boxes: Float[np.ndarray, "R 4"],
    labels: Sequence[str] = (),
    scores: Sequence[float] = (),
) -> Image.Image:
    """A copy of the picture with a frame for each box (pixels), in colours that differ, the first one on top.

    ``labels`` and ``scores`` (a share, shown in per cent) are written at the frames; either may be left out.
    """
    drawn = image.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    unit = max(1, round(max(image.size) / 256))
    font = ImageFont.load_default(9 * unit)
    for index in reversed(range(len(boxes))):
        colour = _colour(index)
        x1, y1, x2, y2 = (float(side) for side in boxes[index])
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=colour, width=unit)
        words = [labels[index]] if labels else []
        words += [f"{scores[index]:.0%}"] if scores else []
        if words:
            _write(pen, " ".join(words), (x1, y1), colour, font, drawn.size)
    return drawn


def _colour(index: int) -> tuple[int, int, int]:
    """The n-th of colours that stay far apart, dark enough for white writing."""
    red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.9, 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)


def _write(
    pen: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[float, float],
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """White on the frame's colour, above the corner where there is room, always inside the picture."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = right - left + 2, bottom - top + 2
    x = max(0.0, min(corner[0], size[0] - wide))
    y = corner[1] - high if corner[1] >= high else min(corner[1], size[1] - high)
    pen.rectangle((x, y, x + wide, y + high), fill=colour)
    pen.text((x + 1 - left, y + 1 - top), text, fill="white", font=font)
