"""From a scene to its picture: a cut of the ground, the drawings put on it, and the JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iconotext.core.seed import generator
from iconotext.world.grounds import TILE_HEIGHT, TILE_WIDTH, tile
from iconotext.world.scene import Scene, Thing
from iconotext.world.sprites import Sprites

JPEG_QUALITY = 88


def draw(scene: Scene, seed: int, sprites: Sprites) -> NDArray[np.uint8]:
    """The picture of a scene, RGB [height, width, 3].

    ``seed`` and the image id choose the cut and the tint of the ground.
    """
    picture = _ground(scene, seed)
    for thing in scene.things:
        _put(picture, thing, sprites)
    return picture


def encode(picture: NDArray[np.uint8]) -> bytes:
    """The picture as JPEG."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def _ground(scene: Scene, seed: int) -> NDArray[np.uint8]:
    """A cut of the ground's texture at a random place, perhaps mirrored, a little lighter, darker or tinted."""
    chance = generator(seed, "ground", scene.image_id).random(6).tolist()
    x = int(chance[0] * (TILE_WIDTH - scene.width + 1))
    y = int(chance[1] * (TILE_HEIGHT - scene.height + 1))
    cut = tile(scene.ground).crop((x, y, x + scene.width, y + scene.height))
    if chance[2] < 0.5:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    light = 0.94 + 0.1 * chance[3]
    tint = (light * (0.98 + 0.04 * chance[4]), light, light * (0.98 + 0.04 * chance[5]))
    table = np.minimum(np.outer(tint, np.arange(256)) + 0.5, 255).astype(np.uint8)
    return np.array(cut.point(table.ravel().tolist()))


def _put(picture: NDArray[np.uint8], thing: Thing, sprites: Sprites) -> None:
    """Draw a thing over the picture, in place, to fill its box exactly."""
    x1, y1, x2, y2 = (int(edge) for edge in thing.box)
    image = sprites.get(thing.kind, thing.colour, thing.tilt).resize((x2 - x1, y2 - y1), Image.Resampling.HAMMING)
    drawing = np.asarray(image, dtype=np.uint16)
    if thing.mirrored:
        drawing = drawing[:, ::-1]
    below = picture[y1:y2, x1:x2]
    shown = drawing[..., :3] + (below * (255 - drawing[..., 3:]) + 127) // 255
    below[:] = np.minimum(shown, 255)
