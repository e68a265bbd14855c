"""The truth of a picture: counts, relations, what is around a thing, and what must not be named."""

from __future__ import annotations

import pytest

from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Claim, Phrase, Picture, Repertoire
from iconotext.world.scene import Scene, Thing, load_kinds

NAMED = {kind.name: kind.index for kind in load_kinds()}
DOG, CAR, TREE, PINE = NAMED["dog"], NAMED["car"], NAMED["tree"], NAMED["pine tree"]


def at(kind: int, x: float, y: float, group: int, colour: str = "") -> Thing:
    return Thing(kind, colour, "small", (x - 20.0, y - 20.0, x + 20.0, y + 20.0), group)


@pytest.fixture
def picture() -> Picture:
    """A red car on the left, two dogs on the right one above the other, a blue car below the red one."""
    things = (at(CAR, 30, 60, 0, "red"), at(DOG, 180, 40, 1), at(DOG, 180, 90, 1), at(CAR, 30, 150, 2, "blue"))
    return Picture(Scene("x", "grass", things))


def test_groups_and_counts(picture: Picture) -> None:
    assert picture.groups == (Phrase(CAR, "red", 1), Phrase(DOG, "", 2), Phrase(CAR, "blue", 1))
    assert picture.kinds == (CAR, DOG)
    assert picture.count(CAR) == 2
    assert picture.count(CAR, "red") == 1
    assert picture.has(Phrase(DOG))
    assert picture.has(Phrase(DOG, "", 2))
    assert not picture.has(Phrase(DOG, "", 1))


def test_relation_of_groups_holds_for_all_members(picture: Picture) -> None:
    red, dogs, blue = picture.groups
    assert picture.relation(red, dogs) == "left"
    assert picture.relation(dogs, red) == "right"
    assert picture.relation(blue, dogs) is None
    assert picture.relation(blue, red) == "below"
    assert Claim((red, dogs), relation="left") in picture.related
    assert Claim((dogs, red), relation="right") in picture.related


def test_claims(picture: Picture) -> None:
    red, dogs, _ = picture.groups
    assert picture.holds(Claim((red, dogs), ground="grass", relation="left"))
    assert not picture.holds(Claim((red, dogs), ground="sand"))
    assert not picture.holds(Claim((red, dogs), relation="right"))
    assert not picture.holds(Claim((Phrase(DOG, "", 3),)))


def test_around_leaves_out_what_is_vague(picture: Picture) -> None:
    red, dogs, _ = picture.groups
    assert picture.around(red)["below"] == [3]
    # The lower dog is to the right of the red car; both dogs are.
    assert picture.around(red)["right"] == [1, 2]
    # The blue car is below and left of the dogs, neither clearly: nothing is said about the left.
    assert "left" not in picture.around(dogs)


def test_names_that_would_be_ambiguous_are_not_used() -> None:
    picture = Picture(Scene("x", "sand", (at(TREE, 50, 50, 0), at(PINE, 150, 50, 1))))
    assert picture.kinds == (PINE,)
    assert picture.present == (TREE, PINE)
    assert Repertoire((TREE, PINE), ()).absent_kind([picture], Lot(1), (TREE,)) is None


def test_repertoire_does_not_say_what_no_picture_shows() -> None:
    some = Repertoire((DOG, CAR, TREE), {(CAR, "red")})
    assert "red" not in some.colours(CAR)
    assert not some.may_say(CAR, "red")
    assert some.may_say(CAR, "blue")
    assert some.may_say(DOG, "")
    assert some.alike(CAR) == (CAR,)
    assert some.alike(DOG) == (DOG, TREE)
