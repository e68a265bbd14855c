"""One rule that brings any picture file to 8-bit RGB; everything that reads pictures reads them through it.

The rule, in this order:

1. The file is told by its content, never by its name: JPEG (also MPO), PNG, GIF, WebP, BMP, TIFF, PPM/PGM/PBM, AVIF,
   JPEG 2000. Of several frames or pages the first counts.
2. More than ``MAX_PIXELS`` pixels are refused; below that a picture may be as large as it likes.
3. Every pixel must decode: a truncated or corrupt file is an error, never a half-grey picture.
4. The EXIF orientation is applied. Broken EXIF counts as none.
5. 16-bit samples keep their high byte. 32-bit integers are read as 16-bit ones, clipped (what PGM and TIFF keep in
   them). Floating point is stretched from its least to its greatest value.
6. Transparency (alpha channel, palette or key colour) is laid on white.
7. Grey, palette, black-and-white, CMYK, YCbCr and L*a*b* become RGB. Colour profiles are not applied.
8. Where a longest side is given, a larger picture is scaled down to it (Lanczos, aspect kept, no side below 1).
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from iconotext.core.errors import DataError

MAX_PIXELS = 152_000_000
"""The most pixels a picture may have: that of the largest cameras, and what a process of 2 GB can take in beside PyTorch."""

STRIP = 1 << 22
"""Pixels of a strip."""

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
_LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")

_ROOM = threading.Condition()
_AT_WORK: list[int] = []
"""Pixels of the pictures in ``room_for``."""

# Pillow warns from half its bound on; a panorama or a scan of that size is an ordinary picture here.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", message="Corrupt EXIF data", category=UserWarning)


@dataclass(frozen=True)
class Stored:
    """A picture as a data set keeps it: the bytes of a plain RGB JPEG or PNG, and its size in pixels.

    ``suffix`` is ".jpg" or ".png"; ``change`` is "" where the given bytes were kept, else "converted" or "scaled". ``given`` is
    the size, upright, that it had before it was scaled.
    """

    data: bytes
    suffix: str
    width: int
    height: int
    change: str
    given: tuple[int, int]


def decode(data: bytes, max_side: int | None = None) -> Image.Image:
    """The picture as 8-bit RGB, by the rule above.

    Raises:
        DataError: the bytes are no picture, are cut or corrupt, or hold more than ``MAX_PIXELS`` pixels.
    """
    return _read(data, max_side).rgb


def as_array(image: Image.Image) -> UInt8[np.ndarray, "H W 3"]:
    """The pixels of an RGB picture; Pillow's own way to them makes two more copies of a large one."""
    if image.width * image.height <= STRIP:
        return np.asarray(image)
    out = np.empty((image.height, image.width, 3), np.uint8)
    for top, strip in _strips(image):
        out[top : top + strip.height] = np.asarray(strip)
    return out


@contextmanager
def room_for(data: bytes) -> Iterator[None]:
    """Wait until the pictures that other threads have at work leave room for this one: ``MAX_PIXELS`` together."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            pixels = image.width * image.height
    except Exception:  # Whoever decodes it says what is wrong with it.
        pixels = 0
    with _ROOM:
        _ROOM.wait_for(lambda: not _AT_WORK or sum(_AT_WORK) + pixels <= MAX_PIXELS)
        _AT_WORK.append(pixels)
    try:
        yield
    finally:
        with _ROOM:
            _AT_WORK.remove(pixels)
            _ROOM.notify_all()


def normalise(data: bytes, max_side: int) -> Stored:
    """The form in which a data set keeps a picture: as given where possible, else encoded again.

    Kept as given: an upright, opaque, 8-bit RGB JPEG or PNG of one frame whose longest side is at most ``max_side``.
    The rest goes through ``decode`` and becomes a JPEG of quality 95 where the source was lossy, else a PNG.

    Raises:
        DataError: as ``decode``.
    """
    read = _read(data, max_side)
    image, source, scaled = read.rgb, read.source, max(read.given) > max_side
    if read.plain and not scaled:
        return Stored(data, ".jpg" if source == "JPEG" else ".png", image.width, image.height, "", read.given)
    out = io.BytesIO()
    if source in _LOSSY:
        image.save(out, "JPEG", quality=95)
    else:
        image.save(out, "PNG")
    suffix = ".jpg" if source in _LOSSY else ".png"
    return Stored(out.getvalue(), suffix, image.width, image.height, "scaled" if scaled else "converted", read.given)


@dataclass(frozen=True)
class _Read:
    """The RGB picture, its format, whether its bytes are plain RGB already, and its upright size before it was scaled."""

    rgb: Image.Image
    source: str
    plain: bool
    given: tuple[int, int]


def _read(data: bytes, max_side: int | None) -> _Read:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            source, plain = str(image.format), _is_plain(image)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise DataError(f"the picture's {width} x {height} pixels exceed the limit of {MAX_PIXELS}")
            # These orientations lay the picture on its side.
            given = (height, width) if 5 <= _orientation(image) <= 8 else (width, height)
            if max_side is not None:
                # A JPEG decodes at 1/2, 1/4 or 1/8 in a fraction of the time; never below the size asked for.
                image.draft(None, (max_side, max_side))
            image.load()
            rgb = _to_rgb(_upright(image))
            return _Read(_fit(rgb, max_side) if max_side is not None else rgb, source, plain, given)
    except UnidentifiedImageError as error:
        raise DataError("not a picture in a format that is known: " + ", ".join(_FORMATS)) from error
    except (MemoryError, DataError):
        raise
    except Exception as error:  # Decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and more.
        raise DataError(f"the picture cannot be decoded: {error}") from error


def _is_plain(image: ImageFile.ImageFile) -> bool:
    """Whether every reader sees the same RGB pixels in these bytes without any conversion."""
    deep = any("16" in str(tile[3]) for tile in image.tile)
    return (
        image.format in ("JPEG", "PNG")
        and image.mode == "RGB"
        and not deep
        and not image.has_transparency_data
        and getattr(image, "n_frames", 1) == 1
        and _orientation(image) == 1
    )


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # Broken EXIF raises anything; it says nothing then.
        return 1


def _upright(image: Image.Image) -> Image.Image:
    if _orientation(image) == 1:
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # The orientation is there but the rest of the EXIF cannot be written back.
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _in_strips(image, _deep_grey(image))
    if image.has_transparency_data:
        return _in_strips(image, _on_white)
    if image.mode == "RGB":
        return image
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted
    return image.convert("RGB")


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in strips, each with its first row: a step that makes several copies makes them of a strip only."""
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _in_strips(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """RGB by a conversion that looks at each pixel alone."""
    out = Image.new("RGB", image.size)
    for top, strip in _strips(image):
        out.paste(convert(strip), (0, top))
    return out


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _deep_grey(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What makes 8-bit grey of strips of a picture with 16-bit, 32-bit or floating-point samples."""
    least, span, clear = 0.0, 0.0, image.info.get("transparency")
    if image.mode == "F":
        ends = [(float(found.min()), float(found.max())) for _, strip in _strips(image) for found in [_finite(strip)]]
        least = min(low for low, _ in ends)
        span = max(high for _, high in ends) - least

    def grey(strip: Image.Image) -> Image.Image:
        if image.mode == "F":
            scaled = (_finite(strip) - least) * (255.0 / span if span > 0 else 0.0)
            return Image.fromarray(np.round(scaled).astype(np.uint8))
        deep = np.asarray(strip)
        samples = np.clip(deep.astype(np.int64), 0, 65535) >> 8
        if clear is not None:
            samples = np.where(deep == clear, 255, samples)
        return Image.fromarray(samples.astype(np.uint8))

    return grey


def _finite(strip: Image.Image) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(strip).astype(np.float64))


def _fit(image: Image.Image, max_side: int) -> Image.Image:
    scale = max_side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)
