"""Captions: a list of things, a pair, a relation, a count, each in several wordings and in two languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from iconotext.world.language.lot import Lot
from iconotext.world.language.swaps import SWAPS, swap_claim
from iconotext.world.language.truth import Claim, Phrase, Picture, Repertoire
from iconotext.world.language.words import PLACES, RELATIONS, exactly, listed, of_style, some

_KINDS = ("list", "list", "pair", "relation", "count")

_GAP = "\0"  # stands for a phrase where its place is looked for; no word has it

_RARER = ("left_right", "count", "colour", "object")

_FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "list": (
            "{all} {place}",
            "there {is_} {all} {place}",
            "{place} there {is_} {all}",
            "a picture of {all} {place}",
            "this picture shows {all} {place}",
        ),
        "pair": (
            "{a} and {b}",
            "{a} with {b}",
            "there {is_} {a} and {b}",
            "a picture of {a} and {b}",
            "this picture shows {a} and {b}",
        ),
        "relation": (
            "{a} {relation} {b}",
            "{a} {is_} {relation} {b}",
            "there {is_} {a} {relation} {b}",
            "{relation} {b} there {is_} {a}",
        ),
        "count": (
            "{number} {place} and {b}",
            "there {is_} {number} {place}, and also {b}",
            "exactly {number} {place} with {b}",
            "{place} there {is_} {number} as well as {b}",
        ),
    },
    "zh": {
        "list": ("{place}有{all}", "{all}在{place}", "图中{place}有{all}", "这张图里，{place}有{all}"),
        "pair": ("{a}和{b}", "图中有{a}和{b}", "这张图里有{a}，还有{b}", "有{a}，也有{b}"),
        "relation": (
            "{a}在{b}的{relation}",
            "{b}的{relation}有{a}",
            "在{b}的{relation}有{a}",
            "图中{a}在{b}的{relation}",
        ),
        "count": ("{place}一共有{number}，还有{b}", "{number}和{b}在{place}", "{place}有{number}，另外有{b}"),
    },
}


@dataclass(frozen=True, slots=True)
class Caption:
    """A claim and how it is worded: the kind of caption, the language and the number of a style."""

    kind: str
    claim: Claim
    language: str
    style: int

    @property
    def text(self) -> str:
        """The words."""
        return self._worded(self._things)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where the words of each phrase of the claim begin and end in the text, in letters."""
        things = self._things
        begins = (self._worded([*things[:i], _GAP, *things[i + 1 :]]).index(_GAP) for i in range(len(things)))
        return [(begin, begin + len(thing)) for begin, thing in zip(begins, things)]

    @property
    def _things(self) -> list[str]:
        """The phrases of the claim in words."""
        said = [exactly if self.kind == "count" and not i else some for i in range(len(self.claim.phrases))]
        return [say(p.kind, p.colour, p.count, self.language) for say, p in zip(said, self.claim.phrases)]

    def _worded(self, things: list[str]) -> str:
        """The text with these words for its phrases."""
        claim, language = self.claim, self.language
        first = claim.phrases[0]
        return of_style(_FORMS[language][self.kind], self.style).format(
            all=listed(things, language),
            a=things[0],
            b=things[-1],
            number=things[0],
            is_="is" if first.count == 1 else "are",
            place=of_style(PLACES[language][claim.ground], self.style >> 8) if claim.ground else "",
            relation=of_style(RELATIONS[language][claim.relation], self.style >> 8) if claim.relation else "",
        )

    def swapped(self, what: str, picture: Picture, repertoire: Repertoire, lot: Lot) -> Caption | None:
        """The same words with one swap that makes them false, or None where this caption has no such swap."""
        fewest = 1 if self.kind == "count" else 2
        claim = swap_claim(self.claim, what, fewest, picture, repertoire, lot)
        return replace(self, claim=claim) if claim else None

    def any_swap(self, picture: Picture, repertoire: Repertoire, lot: Lot) -> tuple[str, Caption] | None:
        """A swap of any kind, and which; in half of the captions the rarer ones come before the swap of an object."""
        order = lot.order(SWAPS)
        if lot.chance(0.5):
            order.sort(key=_RARER.index)
        for what in order:
            swapped = self.swapped(what, picture, repertoire, lot)
            if swapped:
                return what, swapped
        return None


def caption(kind: str, claim: Claim, languages: Sequence[str], lot: Lot) -> Caption:
    """A claim in one of the languages and one of the wordings."""
    return Caption(kind, claim, lot.pick(languages), lot.below(1 << 16))


def captions(picture: Picture, languages: Sequence[str], lot: Lot) -> list[Caption]:
    """The captions of a picture: two lists, a pair, a relation and a count.

    A second relation takes the place of the pair in half of the pictures that have two; where a picture has no pair, no
    relation or no count to tell, a list takes its place.
    """
    kinds = list(_KINDS)
    related = lot.order(picture.related)
    if len(related) > 2 and lot.chance(0.5):
        kinds[kinds.index("pair")] = "relation"
    found: list[Caption] = []
    for kind in kinds:
        claim = related.pop() if kind == "relation" and related else _claim(kind, picture, lot)
        if claim is None:
            kind, claim = "list", _list(picture, lot)
        found.append(caption(kind, claim, languages, lot))
    return found


def _claim(kind: str, picture: Picture, lot: Lot) -> Claim | None:
    if kind == "list":
        return _list(picture, lot)
    if kind == "pair" and len(picture.groups) > 1:
        return Claim(tuple(lot.order(picture.groups)[:2]))
    if kind == "count":
        return _count(picture, lot)
    return None


def _list(picture: Picture, lot: Lot) -> Claim:
    """Up to three groups on the ground, two of them now and then."""
    groups = lot.order(picture.groups)
    return Claim(tuple(groups[: 2 if lot.chance(0.25) else 3]), ground=picture.scene.ground)


def _count(picture: Picture, lot: Lot) -> Claim | None:
    """How many things of a kind there are in any colour, and one group of another kind; None with one kind only."""
    kind = lot.pick(picture.kinds)
    others = [group for group in picture.groups if group.kind != kind]
    if not others:
        return None
    counted = Phrase(kind, "", picture.count(kind))
    return Claim((counted, lot.pick(others)), ground=picture.scene.ground)
