from __future__ import annotations

import numpy as np
from PIL import Image

from iconotext.regions.draw import draw_regions

BOXES = np.array([[10, 20, 60, 70], [0, 0, 100, 80], [90, 70, 140, 120]], np.float32)


def test_the_picture_itself_is_left_alone() -> None:
    image = Image.new("RGB", (100, 80), "white")
    drawn = draw_regions(image, BOXES)
    assert drawn.size == image.size
    assert np.asarray(image).min() == 255
    assert np.asarray(drawn).min() < 255


def test_frames_are_where_the_boxes_are() -> None:
    drawn = np.asarray(draw_regions(Image.new("RGB", (100, 80), "white"), BOXES[:1]))
    dark = (drawn != 255).any(axis=-1)
    rows, columns = dark.nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 69, 10, 59)
    assert dark[20, 10:60].all()
    assert not dark[25:65, 15:55].any()


def test_boxes_differ_in_colour_and_words_stay_inside() -> None:
    image = Image.new("RGBA", (100, 80), "white")
    drawn = draw_regions(image, BOXES, ["a very long label that has no room", "", "dog"], [0.98, 0.5, 0.01])
    assert drawn.mode == "RGB"
    assert len({drawn.getpixel((10, 45)), drawn.getpixel((0, 50)), (255, 255, 255)}) == 3


def test_nothing_to_draw() -> None:
    image = Image.new("RGB", (30, 30), "white")
    assert (np.asarray(draw_regions(image, np.zeros((0, 4), np.float32))) == 255).all()
