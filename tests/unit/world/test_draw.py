"""Pictures: the grounds, and that a thing is seen inside its box and nowhere else."""

import io

import numpy as np
import pytest
from PIL import Image

from iconotext.world.draw import draw, encode
from iconotext.world.grounds import TILE_HEIGHT, TILE_WIDTH, tile
from iconotext.world.scene import GROUNDS, Scene, sample_scene
from iconotext.world.sprites import Sprites

SPRITES = Sprites()
KINDS = range(0, 258, 20)


@pytest.fixture(scope="module", params=range(6))
def scene(request):
    return sample_scene(1, "train", request.param, KINDS)


def test_things_are_seen_inside_their_boxes_and_nowhere_else(scene):
    picture = draw(scene, 1, SPRITES).astype(int)
    empty = draw(Scene(scene.image_id, scene.ground, ()), 1, SPRITES).astype(int)
    changed = np.abs(picture - empty).max(axis=2) > 24
    outside = changed.copy()
    for thing in scene.things:
        x1, y1, x2, y2 = (int(edge) for edge in thing.box)
        outside[y1:y2, x1:x2] = False
    assert picture.shape == (192, 256, 3)
    assert not outside.any()


def test_boxes_are_tight(scene):
    for thing in scene.things:
        alone = Scene(scene.image_id, scene.ground, (thing,))
        empty = Scene(scene.image_id, scene.ground, ())
        difference = np.abs(draw(alone, 1, SPRITES).astype(int) - draw(empty, 1, SPRITES)).max(axis=2) > 12
        rows, columns = np.flatnonzero(difference.any(axis=1)), np.flatnonzero(difference.any(axis=0))
        found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert np.abs(np.subtract(found, thing.box)).max() <= 2


def test_same_scene_same_bytes(scene):
    assert encode(draw(scene, 1, SPRITES)) == encode(draw(scene, 1, Sprites()))
    assert not np.array_equal(draw(scene, 1, SPRITES), draw(scene, 2, SPRITES))


def test_jpeg_is_near_the_picture(scene):
    picture = draw(scene, 1, SPRITES)
    again = np.asarray(Image.open(io.BytesIO(encode(picture))))
    assert again.shape == picture.shape
    assert np.abs(again.astype(int) - picture).mean() < 4


@pytest.mark.parametrize("ground", GROUNDS)
def test_grounds_can_be_told_apart_by_their_mean_colour(ground):
    assert tile(ground).size == (TILE_WIDTH, TILE_HEIGHT)
    means = {name: np.asarray(tile(name)).mean(axis=(0, 1)) for name in GROUNDS}
    others = [np.abs(means[ground] - means[name]).max() for name in GROUNDS if name != ground]
    assert min(others) > 25
