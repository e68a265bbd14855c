"""Pixels are taken out under a box, and nowhere else."""

from __future__ import annotations

import numpy as np

from iconotext.regions.blank import blank
from iconotext.regions.resize import GREY, fit

PICTURE = np.random.default_rng(0).integers(0, 120, (96, 128, 3), np.uint8)


def test_grey_under_the_boxes_in_the_size_that_the_network_sees() -> None:
    before = fit(PICTURE)  # twice as large
    after = blank(before, np.array([[10, 20, 30, 50], [100.2, 0, 128, 4.6]], np.float32))
    inside = np.zeros((192, 256), bool)
    inside[40:100, 20:60] = True
    inside[0:10, 200:256] = True
    assert (after.pixels[inside] == GREY).all()
    assert np.array_equal(after.pixels[~inside], before.pixels[~inside])
    assert (before.pixels != GREY).all()  # what it was given is left alone
    assert (after.size, after.extent) == (before.size, before.extent)


def test_the_whole_picture_and_no_box_take_nothing_out() -> None:
    before = fit(PICTURE)
    for boxes in (np.array([[0, 0, 128, 96]], np.float32), np.zeros((0, 4), np.float32)):
        assert np.array_equal(blank(before, boxes).pixels, before.pixels)
