"""Search queries with graded pictures.

A query names a kind of thing and demands something more: its colour, its number, the ground, a second thing. The grade of a
picture is 0 without that kind; else 1, 2 where at least half of the demands are met, and 3 where all are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Phrase, Picture
from iconotext.world.language.words import PLACES, noun, of_style, short, some

PICTURES = 40
"""Pictures of a query, fewer where the shard has fewer."""

_MOST_POSITIVE = 30
_FORMS = ("colour", "count", "colour ground", "count ground", "colour other", "other")


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched: a kind, in a colour, in a number (0 for any), on a ground, beside another thing."""

    kind: int
    colour: str = ""
    count: int = 0
    ground: str = ""
    other: Phrase | None = None

    @property
    def asks(self) -> str:
        """What it demands beside the kind, in words."""
        parts = {"colour": self.colour, "count": self.count, "ground": self.ground, "other": self.other}
        return " ".join(name for name, asked in parts.items() if asked)

    def grade(self, picture: Picture) -> int:
        """How well a picture fits, from 0 to 3."""
        if not picture.count(self.kind):
            return 0
        demands = [
            not self.colour or picture.count(self.kind, self.colour) > 0,
            not self.count or picture.count(self.kind, self.colour) == self.count,
            self.ground in ("", picture.scene.ground),
            self.other is None or picture.has(self.other),
        ]
        asked = [bool(self.colour), self.count > 0, bool(self.ground), self.other is not None]
        met = sum(demand for demand, is_asked in zip(demands, asked) if is_asked)
        return 1 + 2 * met // sum(asked)

    def clear(self, picture: Picture) -> bool:
        """Whether the names of its kinds are unambiguous in a picture."""
        return self.kind not in picture.unclear and (self.other is None or self.other.kind not in picture.unclear)

    def text(self, language: str, style: int) -> str:
        """The query in words: "red car on grass", 草地上的两只狗."""
        other = noun(self.other.kind, self.other.colour, language) if self.other else ""
        place = PLACES[language][self.ground] if self.ground else ("",)
        if language == "zh":
            what = some(self.kind, self.colour, self.count, "zh") if self.count else short(self.kind, self.colour, "zh")
            return (f"{place[0]}的" if self.ground else "") + what + (f"和{other}" if other else "")
        what = some(self.kind, self.colour, self.count, "en") if self.count > 1 else noun(self.kind, self.colour, "en")
        where = f" {of_style(place, style)}" if self.ground else ""
        return what + where + (of_style((f" and {other}", f" with {other}"), style) if other else "")


def query(picture: Picture, lot: Lot) -> Query:
    """A query that the picture fits in all."""
    group, form = lot.pick(picture.groups), lot.pick(_FORMS)
    others = [other for other in picture.groups if other.kind != group.kind]
    other = lot.pick(others) if others and "other" in form else None
    count = group.count if "count" in form and group.count > 1 else 0
    more = "ground" in form or not (group.colour or count or other)
    beside = Phrase(other.kind, other.colour) if other else None
    return Query(group.kind, group.colour, count, picture.scene.ground if more else "", beside)


def graded(
    asked: Query, pictures: Sequence[Picture], showing: Mapping[int, Sequence[int]], lot: Lot
) -> list[tuple[int, int]]:
    """Places of pictures in the shard with their grades: all that fit at all (the best 30), the rest without the kind."""
    clear = [place for place in showing[asked.kind] if asked.clear(pictures[place])]
    fitting = [(place, asked.grade(pictures[place])) for place in lot.order(clear)]
    fitting.sort(key=lambda item: -item[1])
    found = dict(fitting[:_MOST_POSITIVE])
    for place in lot.order(range(len(pictures))):
        if len(found) == PICTURES:
            break
        if asked.kind not in pictures[place].present and asked.clear(pictures[place]):
            found[place] = 0
    return lot.order(list(found.items()))
