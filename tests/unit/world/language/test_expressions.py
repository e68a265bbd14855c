"""Referring expressions: exactly one thing satisfies each, for a person as for a program."""

from __future__ import annotations

import pytest

from iconotext.world.language.expressions import Description, descriptions
from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Phrase, Picture
from iconotext.world.scene import load_kinds

NAMED = {kind.name: kind.index for kind in load_kinds()}
STEPS = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
SUPERLATIVES = {"leftmost": "left", "rightmost": "right", "topmost": "above", "bottommost": "below"}


@pytest.fixture(scope="module")
def found(pictures: list[Picture]) -> list[list[tuple[int, Description]]]:
    return [list(descriptions(picture, Lot("expressions", i))) for i, picture in enumerate(pictures)]


def satisfying(truth: object, description: Description) -> list[int]:
    """The things that the description fits; those that it might fit count as well."""
    fit: list[int] = truth.those(description.kind, description.colour, description.size)  # type: ignore[attr-defined]
    if description.outermost:
        assert len(fit) > 2 if description.outermost in SUPERLATIVES else len(fit) == 2
        across, down = STEPS[SUPERLATIVES.get(description.outermost, description.outermost)]
        places = {i: across * truth.middle(i)[0] + down * truth.middle(i)[1] for i in fit}  # type: ignore[attr-defined]
        return [i for i in fit if places[i] > max(places.values()) - 40]
    if description.other:
        assert truth.has(description.other)  # type: ignore[attr-defined]
        (other,) = truth.those(description.other.kind, description.other.colour)  # type: ignore[attr-defined]
        might = [i for i in fit if truth.on_side(i, description.relation, other)]  # type: ignore[attr-defined]
        assert all(truth.stands(i, description.relation, other) for i in might)  # type: ignore[attr-defined]
        return might
    return fit


def test_exactly_one_thing_fits(found: list[list[tuple[int, Description]]], truths: list) -> None:
    for truth, mine in zip(truths, found):
        for target, description in mine:
            assert satisfying(truth, description) == [target], description.text("en", 0)


def test_all_means_of_description_occur(found: list[list[tuple[int, Description]]]) -> None:
    said = [description for mine in found for _, description in mine]
    assert len(said) > 1.7 * len(found)
    for field in ("colour", "size", "outermost", "other"):
        assert sum(bool(getattr(description, field)) for description in said) > 0.05 * len(said), field
    assert {description.outermost for description in said if description.outermost} == {*STEPS, *SUPERLATIVES}
    assert {description.relation for description in said if description.relation} == set(STEPS)


def test_things_of_a_picture_differ(found: list[list[tuple[int, Description]]]) -> None:
    assert all(len({target for target, _ in mine}) == len(mine) <= 2 for mine in found)


def test_words() -> None:
    car, dog, boat = NAMED["car"], NAMED["dog"], NAMED["canoe"]
    big = Description(car, "red", "big", "left")
    assert big.text("en", 0) == "the big red car on the left"
    assert big.text("zh", 0) == "左边那辆大的红色汽车"
    assert Description(dog, outermost="topmost").text("en", 0) == "the topmost dog"
    assert Description(dog, outermost="topmost").text("zh", 0) == "最上面那只狗"
    beside = Description(dog, relation="above", other=Phrase(boat, "blue", 1))
    assert beside.text("en", 0) == "the dog above the blue canoe"
    assert beside.text("zh", 0) == "蓝色独木舟上方那只狗"
