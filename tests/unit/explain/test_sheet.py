from __future__ import annotations

import numpy as np
from PIL import Image

from iconotext.explain.sheet import sheet


def test_pictures_stand_in_rows_with_their_words_below() -> None:
    red, tall = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (10, 40), "blue")
    drawn = np.asarray(sheet([(red, "1. one"), (None, "2."), (tall, "3.")], columns=2, side=64))
    assert drawn.shape[1] == 2 * (64 + 8) + 8
    assert tuple(drawn[8 + 32, 8 + 32]) == (255, 0, 0)
    assert tuple(drawn[8 + 32, 8 + 72 + 32]) == (226, 222, 214)
    rows = np.flatnonzero((drawn == (0, 0, 255)).all(2).any(1))
    assert rows.min() > 72
    below = drawn[8 + 64 : 8 + 64 + 24, 8:72]
    assert (below < 128).any()


def test_long_lines_are_wrapped_and_nothing_is_an_empty_sheet() -> None:
    one, many = (sheet([(None, words)], side=64).height for words in ("a", "a long line that needs several " * 3))
    assert many > one
    assert sheet([]).size == (240, 8)


def test_chinese_lines_stand_below_each_other() -> None:
    one, two = (sheet([(None, words)]).height for words in ("一只狗", "一只狗\n两只猫"))
    assert two > one
