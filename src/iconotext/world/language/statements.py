"""Statements on a left and a right picture; every sentence is used twice, once where it is true and once where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Phrase, Picture
from iconotext.world.language.words import GROUND_ZH, NUMBERS, exactly, noun, of_style, some

FORMS = ("each", "ground", "both", "one", "more", "total")

_WORDS = {
    "en": {
        "each": (
            "the left picture shows {a} and the right picture shows {b}",
            "there {is_} {a} in the left picture and {b} in the right picture",
        ),
        "ground": (
            "there is {left} in the left picture and {right} in the right picture",
            "the left picture shows {left} and the right picture shows {right}",
        ),
        "both": ("both pictures show {a}", "there is {a} in both pictures"),
        "one": ("exactly one of the pictures shows {a}", "only one picture shows {a}"),
        "more": (
            "there are more {nouns} in the left picture than in the right picture",
            "the left picture shows more {nouns} than the right picture",
        ),
        "total": (
            "the two pictures together show exactly {total}",
            "there {is_} exactly {total} in the two pictures together",
        ),
    },
    "zh": {
        "each": ("左图{a}，右图{b}", "左边的图里{a}，右边的图里{b}"),
        "ground": ("左图是{left}，右图是{right}", "左边的图里是{left}，右边的图里是{right}"),
        "both": ("两张图里都{a}", "左图和右图都{a}"),
        "one": ("只有一张图里{a}", "两张图中只有一张{a}"),
        "more": ("左图的{nouns}比右图多", "左边的图里的{nouns}比右边的图里多"),
        "total": ("两张图里一共有{total}", "左图和右图加起来有{total}"),
    },
}


# What stands before the things: at least one, or an exact number of them. In Chinese the verb stands there as well.
_EXACT = {"en": ("", "exactly "), "zh": ("有", "正好有")}


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence on two pictures.

    each: the left picture has the first phrase, the right one the second. ground: they are on ``grounds``. both, one: so
    many of them have the phrase. more: the left one has more of its kind. total: they have its count together.
    """

    form: str
    phrases: tuple[Phrase, ...] = ()
    grounds: tuple[str, ...] = ()

    def holds(self, left: Picture, right: Picture) -> bool:
        """Whether it is true of the two pictures."""
        if self.form == "ground":
            return self.grounds == (left.scene.ground, right.scene.ground)
        first = self.phrases[0]
        if self.form == "each":
            return left.has(first) and right.has(self.phrases[1])
        if self.form == "more":
            return left.count(first.kind, first.colour) > right.count(first.kind, first.colour)
        if self.form == "total":
            return left.count(first.kind, first.colour) + right.count(first.kind, first.colour) == first.count
        return left.has(first) + right.has(first) == {"both": 2, "one": 1}[self.form]

    def clear(self, picture: Picture) -> bool:
        """Whether the names of its kinds are unambiguous in a picture."""
        return not any(phrase.kind in picture.unclear for phrase in self.phrases)

    def text(self, language: str, style: int) -> str:
        """The sentence in words; a count above one is said to be exact."""
        words: dict[str, str] = {}
        if self.grounds:
            grounds = [GROUND_ZH[ground] if language == "zh" else ground for ground in self.grounds]
            words = dict(zip(("left", "right"), grounds))
        for slot, phrase in zip("ab", self.phrases):
            words[slot] = _EXACT[language][phrase.count > 0] + some(phrase.kind, phrase.colour, phrase.count, language)
        for phrase in self.phrases[:1]:
            words["nouns"] = noun(phrase.kind, phrase.colour, language, True)
            words["total"] = exactly(phrase.kind, phrase.colour, phrase.count, language)
            words["is_"] = "are" if phrase.count > 1 else "is"
        return of_style(_WORDS[language][self.form], style).format(**words)


@dataclass(frozen=True, slots=True)
class Judged:
    """A statement with two pictures (their places in the shard) of which it is true, or not."""

    statement: Statement
    left: int
    right: int
    label: bool


def by_kind(pictures: Sequence[Picture]) -> dict[int, list[int]]:
    """The places of the pictures that show each kind and can name it."""
    found: dict[int, list[int]] = {}
    for place, picture in enumerate(pictures):
        for kind in picture.kinds:
            found.setdefault(kind, []).append(place)
    return found


def judged(
    place: int, pictures: Sequence[Picture], showing: Mapping[int, Sequence[int]], lot: Lot
) -> tuple[Judged, Judged] | tuple[()]:
    """A statement on the picture at ``place`` and another of its shard where it is true, and another pair where it is not.

    The false pair keeps one of the pictures where it can, and has the kinds that the sentence names where it can. Nothing
    where the shard has no such pairs.
    """
    if len(pictures) < 2:
        return ()
    statement, partner = _statement(place, pictures, showing, lot)
    pairs = [(place, partner), (partner, place)]
    for phrase in statement.phrases:
        for _ in range(3):
            other = lot.pick(showing[phrase.kind])
            pairs += (place, other), (other, partner), (other, place), (partner, other)
    for _ in range(3):
        other = lot.below(len(pictures))
        pairs += (place, other), (other, partner), (other, place), (partner, other)
    first: dict[bool, Judged] = {}
    for left, right in pairs:
        if left != right and statement.clear(pictures[left]) and statement.clear(pictures[right]):
            label = statement.holds(pictures[left], pictures[right])
            first.setdefault(label, Judged(statement, left, right, label))
            if len(first) == 2:
                return (first[True], first[False]) if lot.chance(0.5) else (first[False], first[True])
    return ()


def _statement(
    place: int, pictures: Sequence[Picture], showing: Mapping[int, Sequence[int]], lot: Lot
) -> tuple[Statement, int]:
    """A statement that the picture at ``place`` suggests, and another picture to go with it."""
    form, picture = lot.pick(FORMS), pictures[place]
    group = lot.pick(picture.groups)
    partner = lot.pick(showing[group.kind]) if form in ("both", "more", "total") else lot.below(len(pictures))
    if partner == place:
        partner = (place + 1 + lot.below(len(pictures) - 1)) % len(pictures)
    other = pictures[partner]
    if form == "ground":
        return Statement(form, grounds=(picture.scene.ground, other.scene.ground)), partner
    if form == "each":
        return Statement(form, (_said(group), _said(lot.pick(other.groups)))), partner
    if form == "total":
        total = picture.count(group.kind) + other.count(group.kind)
        if total < len(NUMBERS["en"]):
            return Statement(form, (Phrase(group.kind, "", total),)), partner
        form = "both"
    coloured = group.colour if form == "one" or other.count(group.kind, group.colour) else ""
    return Statement(form, (Phrase(group.kind, coloured),)), partner


def _said(group: Phrase) -> Phrase:
    """A group of one is said as "a dog", which more dogs would not deny."""
    return group if group.count > 1 else Phrase(group.kind, group.colour)
