from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconotext.core.errors import DataError
from iconotext.core.seed import generator
from iconotext.regions.resize import GREY, HEIGHT, WIDTH, Frame, as_it_is, fit, stretch


def test_a_picture_of_the_right_size_is_taken_as_it_is() -> None:
    picture = generator("picture").integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    fitted = fit(picture)
    assert (fitted.pixels == picture).all()
    assert fitted.size == fitted.extent == (WIDTH, HEIGHT)
    assert fitted.scale.tolist() == [1, 1, 1, 1]


def test_the_rest_is_grey() -> None:
    fitted = fit(np.full((400, 100, 3), 7, np.uint8))
    assert fitted.extent == (48, 192)
    assert (fitted.pixels[:, :48] == 7).all()
    assert (fitted.pixels[:, 48:] == GREY).all()


@given(st.integers(1, 900), st.integers(1, 900))
def test_every_size_fits_and_keeps_its_aspect(width: int, height: int) -> None:
    fitted = fit(np.zeros((height, width, 3), np.uint8))
    wide, high = fitted.extent
    assert wide == WIDTH or high == HEIGHT
    assert abs(wide - width * min(WIDTH / width, HEIGHT / height)) <= 1
    assert abs(high - height * min(WIDTH / width, HEIGHT / height)) <= 1
    corner = np.array([0, 0, width, height], np.float32) * fitted.scale
    assert np.allclose(corner, [0, 0, wide, high])


@pytest.mark.parametrize("box", [(3, 3, 3, 9), (9, 0, 3, 9), (0, 0, np.nan, 4), (0, 0, np.inf, 4)])
def test_a_box_that_is_none_is_refused(box: tuple[float, ...]) -> None:
    boxes = np.array([(0, 0, 5, 5), box], np.float32)
    with pytest.raises(DataError, match="x1 < x2"):
        fit(np.zeros((20, 20, 3), np.uint8), boxes)


def test_frames_of_other_sizes() -> None:
    fitted = fit(np.full((100, 50, 3), 7, np.uint8), frame=Frame(64, 40))
    assert fitted.pixels.shape == (40, 64, 3)
    assert fitted.extent == (20, 40)
    assert (fitted.pixels[:, :20] == 7).all()
    assert (fitted.pixels[:, 20:] == 128).all()


def test_stretched_and_as_it_is() -> None:
    pixels = np.full((100, 50, 3), 7, np.uint8)
    boxes = np.array([[10, 10, 20, 60]], np.float32)
    stretched = stretch(pixels, 64, 40, boxes)
    assert (stretched.pixels.shape, stretched.size, stretched.extent) == ((40, 64, 3), (50, 100), (64, 40))
    assert np.allclose(boxes * stretched.scale, [[12.8, 4, 25.6, 24]])
    plain = as_it_is(pixels, boxes)
    assert plain.pixels is pixels
    assert (plain.scale == 1).all()
    for bring in (as_it_is, lambda p, b: stretch(p, 8, 8, b)):
        with pytest.raises(DataError, match="x1 < x2"):
            bring(pixels, boxes[:, ::-1].copy())
