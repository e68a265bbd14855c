"""Words: articles, plurals, measure words, lists, and names that would be ambiguous."""

from __future__ import annotations

import pytest

from iconotext.world.language.words import ambiguous_beside, exactly, listed, noun, short, some, the
from iconotext.world.scene import COLOURS, load_kinds

NAMED = {kind.name: kind.index for kind in load_kinds()}


@pytest.mark.parametrize(
    ("name", "colour", "count", "english", "chinese"),
    [
        ("car", "red", 1, "a red car", "一辆红色的汽车"),
        ("cat", "", 3, "three cats", "三只猫"),
        ("umbrella", "", 1, "an umbrella", "一把雨伞"),
        ("mouse", "", 2, "two mice", "两只老鼠"),
        ("fish", "blue", 5, "five blue fish", "五条蓝色的鱼"),
        ("dog", "", 0, "a dog", "狗"),
    ],
)
def test_some(name: str, colour: str, count: int, english: str, chinese: str) -> None:
    assert some(NAMED[name], colour, count, "en") == english
    assert some(NAMED[name], colour, count, "zh") == chinese


def test_one_is_said_as_a_number_where_it_counts() -> None:
    assert exactly(NAMED["owl"], "", 1, "en") == "one owl"
    assert exactly(NAMED["owl"], "", 4, "en") == "four owls"
    assert exactly(NAMED["owl"], "", 1, "zh") == "一只猫头鹰"


def test_definite() -> None:
    assert the(NAMED["car"], "red", 1, "en") == "the red car"
    assert the(NAMED["car"], "", 3, "en") == "the cars"
    assert the(NAMED["car"], "red", 3, "zh") == "红色汽车"


def test_lists() -> None:
    assert listed(["a"], "en") == "a"
    assert listed(["a", "b"], "en") == "a and b"
    assert listed(["a", "b", "c"], "en") == "a, b and c"
    assert listed(["甲", "乙", "丙"], "zh") == "甲、乙和丙"


def test_colour_stands_right_before_the_noun() -> None:
    for kind in load_kinds():
        for colour in COLOURS if kind.recolourable else ():
            assert noun(kind.index, colour, "en", True) == f"{colour} {kind.plural}"
            assert short(kind.index, colour, "zh").endswith(f"色{kind.name_zh}")


def test_every_english_phrase_is_lower_case() -> None:
    for kind in load_kinds():
        for count in range(9):
            assert some(kind.index, "", count, "en").islower()


def test_names_within_names_are_ambiguous() -> None:
    assert ambiguous_beside(NAMED["pine tree"]) == {NAMED["tree"]}
    assert ambiguous_beside(NAMED["tree"]) == frozenset()
