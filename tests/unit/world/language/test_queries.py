"""Queries: grades follow the rule, and the picture that a query was made from fits in all."""

from __future__ import annotations

from collections import Counter

from iconotext.world.language.lot import Lot
from iconotext.world.language.queries import PICTURES, Query, graded, query
from iconotext.world.language.statements import by_kind
from iconotext.world.language.truth import Phrase, Picture
from iconotext.world.scene import load_kinds

NAMED = {kind.name: kind.index for kind in load_kinds()}


def grade(truth: object, asked: Query) -> int:
    """0 without the kind, 1, 2 from half of the demands on, 3 for all of them."""
    scene = truth.scene  # type: ignore[attr-defined]
    if not truth.those(asked.kind):  # type: ignore[attr-defined]
        return 0
    those = truth.those(asked.kind, asked.colour)  # type: ignore[attr-defined]
    met: list[bool] = []
    if asked.colour:
        met.append(bool(those))
    if asked.count:
        met.append(len(those) == asked.count)
    if asked.ground:
        met.append(scene.ground == asked.ground)
    if asked.other:
        met.append(bool(truth.those(asked.other.kind, asked.other.colour)))  # type: ignore[attr-defined]
    share = sum(met) / len(met)
    return 3 if share == 1 else 2 if share >= 0.5 else 1


def test_grades(pictures: list[Picture], truths: list) -> None:
    showing, grades = by_kind(pictures), Counter[int]()
    for i, picture in enumerate(pictures):
        lot = Lot("queries", i)
        asked = query(picture, lot)
        found = graded(asked, pictures, showing, lot)
        assert found == [(place, grade(truths[place], asked)) for place, _ in found]
        assert len(found) == len(dict(found)) == PICTURES
        assert grade(truths[i], asked) == 3
        assert any(value == 3 for _, value in found)
        fitting = [place for place, truth in enumerate(truths) if grade(truth, asked) and asked.clear(pictures[place])]
        assert len(fitting) > 30 or set(fitting) <= set(dict(found))
        grades.update(value for _, value in found)
    assert set(grades) == {0, 1, 2, 3}


def test_pictures_with_ambiguous_names_are_left_out(pictures: list[Picture]) -> None:
    showing = by_kind(pictures)
    for i, picture in enumerate(pictures):
        lot = Lot("queries", i)
        asked = query(picture, lot)
        assert not any(asked.kind in pictures[place].unclear for place, _ in graded(asked, pictures, showing, lot))


def test_words() -> None:
    car, dog = NAMED["car"], NAMED["dog"]
    assert Query(car, "red").text("en", 0) == "red car"
    assert Query(dog, count=2, ground="grass").asks == "count ground"
    assert Query(car, "red").text("zh", 0) == "红色汽车"
    assert Query(dog, count=2, ground="grass").text("en", 1) == "two dogs on grass"
    assert Query(dog, count=2, ground="grass").text("zh", 0) == "草地上的两只狗"
    assert Query(car, "red", other=Phrase(dog)).text("en", 0) == "red car and dog"
    assert Query(car, "red", other=Phrase(dog)).text("zh", 0) == "红色汽车和狗"
