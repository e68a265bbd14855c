"""Pictures side by side with writing below each, as one picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

SIDE = 224
"""The longest side of a picture on the sheet."""
FONTS = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "DroidSansFallback.ttf", "PingFang.ttc", "msyh.ttc")
"""Fonts with Chinese letters, of which the first that the machine has is taken where a text needs one."""
_GAP, _LETTERS, _EMPTY = 8, 13, (226, 222, 214)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def sheet(cells: Sequence[tuple[Image.Image | None, str]], columns: int = 4, side: int = SIDE) -> Image.Image:
    """Each picture (grey where there is none) with its lines below, row by row; long lines are wrapped."""
    columns = max(1, min(columns, len(cells)))
    font = _font("".join(words for _, words in cells))
    below = [_wrapped(words, font, side) for _, words in cells]
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    writing = max((pen.multiline_textbbox((0, 0), words, font=font)[3] for words in below), default=0)
    wide, high = side + _GAP, side + int(writing) + 2 * _GAP
    out = Image.new("RGB", (columns * wide + _GAP, -(-len(cells) // columns) * high + _GAP), "white")
    pen = ImageDraw.Draw(out)
    for number, ((picture, _), words) in enumerate(zip(cells, below)):
        left, top = _GAP + number % columns * wide, _GAP + number // columns * high
        if picture is None:
            pen.rectangle((left, top, left + side - 1, top + side - 1), fill=_EMPTY)
        else:
            scale = side / max(picture.size)
            size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            out.paste(small, (left + (side - size[0]) // 2, top + (side - size[1]) // 2))
        pen.multiline_text((left, top + side + _GAP // 2), words, fill="black", font=font)
    return out


def _font(text: str) -> Font:
    """A font for these letters, as far as the machine has one."""
    for name in FONTS if any(letter > "⺀" for letter in text) else ():
        try:
            return ImageFont.truetype(name, _LETTERS)
        except OSError:
            continue
    return ImageFont.load_default(_LETTERS)


def _wrapped(text: str, font: Font, width: int) -> str:
    """The lines, cut where they would be wider than the picture."""
    lines = text.splitlines()
    wide = [font.getlength(letter) for line in lines for letter in line] or [1.0]
    letters = max(1, int(width / max(1.0, min(max(wide), 1.15 * sum(wide) / len(wide)))))
    return "\n".join(part for line in lines for part in textwrap.wrap(line, letters) or [""])
