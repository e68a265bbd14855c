"""Referring expressions: a description that exactly one thing of the picture satisfies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Phrase, Picture
from iconotext.world.language.words import RELATIONS, SIZE_ZH, noun, of_style, short, the
from iconotext.world.scene import load_kinds

_EACH = 2
_MORE = 0.3
"""The share of descriptions that say more than is needed."""

_CLEARLY = 40.0
"""By how many pixels the centre of the outermost thing is beyond the centres of the others."""

_SIDES = {
    # The axis of the centre, the sign that makes the outermost thing the largest, and the word for one of more than two.
    "left": (0, -1, "leftmost"),
    "right": (0, 1, "rightmost"),
    "above": (1, -1, "topmost"),
    "below": (1, 1, "bottommost"),
}
_OUTERMOST = {
    "en": {
        "left": "the {bare} on the left",
        "leftmost": "the leftmost {bare}",
        "right": "the {bare} on the right",
        "rightmost": "the rightmost {bare}",
        "above": "the {bare} at the top",
        "topmost": "the topmost {bare}",
        "below": "the {bare} at the bottom",
        "bottommost": "the bottommost {bare}",
    },
    "zh": {
        "left": "左边",
        "leftmost": "最左边",
        "right": "右边",
        "rightmost": "最右边",
        "above": "上面",
        "topmost": "最上面",
        "below": "下面",
        "bottommost": "最下面",
    },
}


@dataclass(frozen=True, slots=True)
class Description:
    """What one thing is: its kind, its colour and size where they are said, and where it is.

    ``outermost`` says which of the things described so far it is: "left" and the like of two, "leftmost" and the like of
    more. ``relation`` says that it stands so to the one thing that ``other`` names.
    """

    kind: int
    colour: str = ""
    size: str = ""
    outermost: str = ""
    relation: str = ""
    other: Phrase | None = None

    @property
    def about(self) -> str:
        """What tells the thing from others: its "place" among its likes, a "neighbour", or only how it "looks"."""
        return "place" if self.outermost else "neighbour" if self.other else "looks"

    def text(self, language: str, style: int) -> str:
        """The description in words: "the big red car on the left", 左边那辆大的红色汽车."""
        if language == "zh":
            return self._chinese(style)
        bare = " ".join(word for word in (self.size, noun(self.kind, self.colour, "en")) if word)
        if self.outermost:
            return _OUTERMOST["en"][self.outermost].format(bare=bare)
        if self.other:
            where = of_style(RELATIONS["en"][self.relation], style)
            return f"the {bare} {where} {the(self.other.kind, self.other.colour, 1, 'en')}"
        return f"the {bare}"

    def _chinese(self, style: int) -> str:
        where = _OUTERMOST["zh"].get(self.outermost, "")
        if self.other:
            where = the(self.other.kind, self.other.colour, 1, "zh") + of_style(RELATIONS["zh"][self.relation], style)
        that = f"那{load_kinds()[self.kind].measure_zh}"
        words = (
            SIZE_ZH[self.size] + short(self.kind, self.colour, "zh")
            if self.size
            else noun(self.kind, self.colour, "zh")
        )
        return where + that + words


def descriptions(picture: Picture, lot: Lot) -> Iterator[tuple[int, Description]]:
    """Up to two things of the picture (their rows) with a description of each, as short as can be or a little longer."""
    left = _EACH
    for target in lot.order(range(len(picture.scene.things))):
        found = _describe(target, picture, lot)
        if found and left:
            left -= 1
            yield target, found


def _describe(target: int, picture: Picture, lot: Lot) -> Description | None:
    """A description of the thing: by itself if that is enough, else by its place among others, else by a neighbour."""
    thing = picture.scene.things[target]
    if thing.kind in picture.unclear:
        return None
    sizes, colours = ("", thing.size), ("", thing.colour) if thing.colour else ("",)
    plain = [Description(thing.kind, colour, size) for size in sizes for colour in colours]
    alone = [description for description in plain if _like(description, picture) == [target]]
    if alone and not lot.chance(_MORE):
        return alone[0] if len(alone) == 1 or not lot.chance(_MORE) else lot.pick(alone)
    placed = _by_place(target, lot.pick(plain), picture, lot)
    return placed or (lot.pick(alone) if alone else _by_place(target, plain[-1], picture, lot))


def _like(description: Description, picture: Picture) -> list[int]:
    """The things of the description's kind, colour and size."""
    things = picture.scene.things
    members = picture.members(Phrase(description.kind, description.colour))
    return [i for i in members if description.size in ("", things[i].size)]


def _by_place(target: int, description: Description, picture: Picture, lot: Lot) -> Description | None:
    """The description with a place that makes it unique: on one side of its likes, or beside a thing that is alone."""
    alike = _like(description, picture)
    found = [
        replace(description, outermost=side if len(alike) == 2 else most)
        for side, (axis, sign, most) in _SIDES.items()
        if len(alike) > 1 and _outermost(target, alike, axis, sign, picture)
    ]
    for group in picture.groups:
        other = Phrase(group.kind, "" if picture.count(group.kind) == 1 else group.colour, 1)
        if group.count == 1 and group.kind != description.kind:
            for relation, things in picture.around(other).items():
                if [thing for thing in things if thing in alike] == [target]:
                    found.append(replace(description, relation=relation, other=other))
    return lot.pick(found) if found else None


def _outermost(target: int, alike: Sequence[int], axis: int, sign: int, picture: Picture) -> bool:
    """Whether the thing is clearly beyond its likes on one side."""
    places = {thing: sign * picture.scene.centre(thing)[axis] for thing in alike}
    return all(places[target] - places[thing] > _CLEARLY for thing in alike if thing != target)
