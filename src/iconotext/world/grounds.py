"""The six grounds: textures drawn once by procedure, of which each scene shows another cut."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iconotext.core.seed import generator
from iconotext.world.scene import GROUNDS

TILE_WIDTH, TILE_HEIGHT = 640, 480

Plane = NDArray[np.float64]


@cache
def tile(ground: str) -> Image.Image:
    """The texture of a ground, 640x480 RGB; a scene shows a cut of it."""
    colours = _PAINTERS[ground](generator("ground", ground))
    return Image.fromarray(np.clip(np.rint(colours), 0, 255).astype(np.uint8))


def _noise(rng: np.random.Generator, across: int, down: int) -> Plane:
    """Smooth noise of unit variance whose features are about ``across`` by ``down`` pixels; it wraps at the edges."""
    spectrum = np.fft.rfft2(rng.standard_normal((TILE_HEIGHT, TILE_WIDTH)))
    fx = np.fft.rfftfreq(TILE_WIDTH)[None, :] * across
    fy = np.fft.fftfreq(TILE_HEIGHT)[:, None] * down
    plane: Plane = np.fft.irfft2(spectrum * np.exp(-4 * (fx**2 + fy**2)), s=(TILE_HEIGHT, TILE_WIDTH))
    plane /= plane.std()
    return plane


def _blend(stops: tuple[tuple[int, int, int], ...], value: Plane) -> Plane:
    """Colours [h, w, 3] along a ramp of evenly spaced stops, for values clipped to 0-1."""
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(value, at, [stop[channel] for stop in stops]) for channel in range(3)], axis=-1)


def _grid() -> tuple[Plane, Plane]:
    """The x and y of every pixel."""
    y, x = np.mgrid[0:TILE_HEIGHT, 0:TILE_WIDTH].astype(np.float64)
    return x, y


def _grass(rng: np.random.Generator) -> Plane:
    """Patches of two greens under slanting blades."""
    patches = 0.5 + 0.16 * _noise(rng, 70, 60)
    blades = np.maximum(_noise(rng, 3, 16), _noise(rng, 5, 12))
    return _blend(((96, 158, 66), (124, 186, 84), (150, 205, 104)), patches + 0.13 * (blades - 0.5))


def _water(rng: np.random.Generator) -> Plane:
    """Waves that bend, with light on their crests."""
    _, y = _grid()
    bend = 13 * _noise(rng, 90, 50) + 3 * _noise(rng, 30, 16)
    crest = np.sin(2 * np.pi * (y + bend) / 26) * 0.5 + 0.5
    light = np.clip(crest, 0, 1) ** 6 * np.clip(0.6 + 0.5 * _noise(rng, 60, 14), 0, 1)
    return _blend(((78, 160, 208), (112, 188, 226), (176, 222, 242)), 0.32 + 0.1 * _noise(rng, 80, 40) + 0.6 * light)


def _sand(rng: np.random.Generator) -> Plane:
    """Low dunes, fine ripples and grains."""
    x, y = _grid()
    dunes = _noise(rng, 120, 60)
    ripples = np.sin(2 * np.pi * (y + 0.35 * x + 9 * _noise(rng, 80, 60)) / 15)
    grains = _noise(rng, 2, 2)
    value = 0.5 + 0.12 * dunes + 0.09 * ripples * np.clip(0.7 + 0.4 * dunes, 0, 1) + 0.08 * grains
    return _blend(((214, 186, 126), (234, 210, 154), (248, 230, 184)), value)


def _wood(rng: np.random.Generator) -> Plane:
    """Planks of several tones with grain, seams and butted ends."""
    x, y = _grid()
    plank = (y // 40).astype(int)
    planks = plank.max() + 1
    end = (rng.permutation(TILE_WIDTH)[:planks])[plank]
    board = plank * 2 + (np.mod(x - end, TILE_WIDTH) < TILE_WIDTH / 2)
    tone = rng.uniform(-0.16, 0.16, 2 * planks)[board.astype(int)]
    shift = rng.integers(0, TILE_WIDTH, planks)[plank]
    grain = _noise(rng, 150, 9)[y.astype(int), np.mod(x.astype(int) + shift, TILE_WIDTH)]
    rings = np.sin(2 * np.pi * 1.6 * grain + 0.5 * _noise(rng, 60, 2))
    colours = _blend(((158, 108, 66), (192, 140, 92), (216, 168, 118)), 0.5 + tone + 0.1 * rings)
    edge = np.minimum(np.mod(y, 40), 40 - np.mod(y, 40))
    butt = np.mod(x - end, TILE_WIDTH / 2)
    seam = np.minimum(edge, np.minimum(butt, TILE_WIDTH / 2 - butt))
    colours *= (1 - 0.42 * np.exp(-((seam / 1.1) ** 2)))[..., None]
    return colours


def _snow(rng: np.random.Generator) -> Plane:
    """Drifts with blue shade, and a few sparkles."""
    drift = _noise(rng, 110, 60)
    shade = drift - np.roll(drift, (14, 10), axis=(0, 1))
    sparkle = 14 * (_noise(rng, 3, 3) > 2.4)
    return _blend(((206, 218, 238), (232, 238, 248), (250, 252, 255)), 0.55 + 0.3 * shade) + sparkle[..., None]


def _stone(rng: np.random.Generator) -> Plane:
    """A pavement of irregular stones with dark joints: the cells nearest to jittered points."""
    x, y = _grid()
    side = 40
    columns, rows = TILE_WIDTH // side, TILE_HEIGHT // side
    jitter = rng.uniform(0.18, 0.82, (rows, columns, 2))
    tones = rng.uniform(-0.2, 0.2, (rows, columns))
    x, y = x + 1.5 * _noise(rng, 14, 14), y + 1.5 * _noise(rng, 14, 14)
    column, row = np.floor(x / side).astype(int), np.floor(y / side).astype(int)
    nearest = np.full(x.shape, np.inf)
    second = np.full(x.shape, np.inf)
    tone = np.zeros(x.shape)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            at = ((row + down) % rows, (column + across) % columns)
            point_x, point_y = jitter[at][..., 0] + column + across, jitter[at][..., 1] + row + down
            distance = np.hypot(x - side * point_x, y - side * point_y)
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            tone = np.where(closer, tones[at], tone)
            nearest = np.minimum(nearest, distance)
    joint = 1 - np.exp(-(((second - nearest) / 3.2) ** 2))
    value = 0.5 + tone + 0.1 * _noise(rng, 10, 10) + 0.06 * _noise(rng, 2, 2)
    colours = _blend(((150, 148, 148), (178, 176, 174), (204, 202, 198)), value)
    colours *= (0.72 + 0.28 * joint)[..., None]
    return colours


_PAINTERS: dict[str, Callable[[np.random.Generator], Plane]] = dict(
    zip(GROUNDS, (_grass, _water, _sand, _wood, _snow, _stone))
)
