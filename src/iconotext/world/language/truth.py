"""What can be said about a picture, as logical forms, and whether it is true.

A kind is not named in a picture where its name would be ambiguous ("tree" beside a pine tree), neither truly nor falsely.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from iconotext.world.language.lot import Lot
from iconotext.world.language.words import OPPOSITE, ambiguous_beside
from iconotext.world.scene import COLOURS, Combination, Scene, load_kinds

_TRIALS = 30


@dataclass(frozen=True, slots=True)
class Phrase:
    """So many things of a kind: exactly ``count``, at least one when it is 0; the colour "" leaves the colour open."""

    kind: int
    colour: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """The picture has each of the phrases, is on the ground, and the first phrase stands in the relation to the second.

    A relation between phrases holds when it holds between all their members. "" says nothing.
    """

    phrases: tuple[Phrase, ...]
    ground: str = ""
    relation: str = ""

    def with_phrase(self, index: int, phrase: Phrase) -> Claim:
        """The same claim with another phrase in one place."""
        return replace(self, phrases=(*self.phrases[:index], phrase, *self.phrases[index + 1 :]))


class Picture:
    """A scene in the form in which questions about its truth are quick to answer.

    ``groups`` are the phrases that may be named (kind, colour, number of members), ``kinds`` their kinds, ``present`` all
    kinds of the scene, ``unclear`` the kinds that must not be named.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._members: dict[tuple[int, str], list[int]] = {}
        for index, thing in enumerate(scene.things):
            self._members.setdefault((thing.kind, thing.colour), []).append(index)
            if thing.colour:
                self._members.setdefault((thing.kind, ""), []).append(index)
        self.present = tuple(dict.fromkeys(thing.kind for thing in scene.things))
        self.unclear = frozenset().union(*(ambiguous_beside(kind) for kind in self.present))
        self.kinds = tuple(kind for kind in self.present if kind not in self.unclear)
        coloured = dict.fromkeys((thing.kind, thing.colour) for thing in scene.things)
        self.groups = tuple(
            Phrase(kind, colour, len(self._members[kind, colour]))
            for kind, colour in coloured
            if kind not in self.unclear
        )
        self._relations: dict[tuple[int, int], str | None] = {}

    def members(self, phrase: Phrase) -> Sequence[int]:
        """The things of the phrase's kind and colour, whatever their number."""
        return self._members.get((phrase.kind, phrase.colour), ())

    def count(self, kind: int, colour: str = "") -> int:
        """How many things there are of a kind, or of a kind in a colour."""
        return len(self._members.get((kind, colour), ()))

    def has(self, phrase: Phrase) -> bool:
        """Whether there are as many things as the phrase says."""
        count = self.count(phrase.kind, phrase.colour)
        return count == phrase.count if phrase.count else count > 0

    def thing_relation(self, a: int, b: int) -> str | None:
        """``Scene.relation`` of two things, remembered."""
        if (a, b) not in self._relations:
            found = self.scene.relation(a, b)
            self._relations[a, b] = found
            self._relations[b, a] = OPPOSITE[found] if found else None
        return self._relations[a, b]

    def relation(self, a: Phrase, b: Phrase) -> str | None:
        """The relation in which every member of ``a`` stands to every member of ``b``, or None."""
        found = None
        for i in self.members(a):
            for j in self.members(b):
                relation = self.thing_relation(i, j)
                if relation is None or (found is not None and relation != found):
                    return None
                found = relation
        return found

    @cached_property
    def related(self) -> tuple[Claim, ...]:
        """Every relation between two groups that can be said, each from both sides."""
        claims: list[Claim] = []
        for index, a in enumerate(self.groups):
            for b in self.groups[index + 1 :]:
                relation = self.relation(a, b)
                if relation:
                    claims += Claim((a, b), relation=relation), Claim((b, a), relation=OPPOSITE[relation])
        return tuple(claims)

    def around(self, phrase: Phrase) -> dict[str, list[int]]:
        """The things that stand in each relation to all members of the phrase.

        A relation is left out when some other thing might be thought to stand in it (to the upper left, or left of one
        member only).
        """
        reference = self.members(phrase)
        found: dict[str, list[int]] = {relation: [] for relation in OPPOSITE}
        for thing in range(len(self.scene.things)):
            if thing in reference:
                continue
            relations = [self.thing_relation(thing, other) for other in reference]
            first = relations[0]
            if first and relations.count(first) == len(relations):
                if first in found:
                    found[first].append(thing)
                continue
            for other, relation in zip(reference, relations):
                for vague in (relation,) if relation else self._directions(thing, other):
                    found.pop(vague, None)
        return {relation: things for relation, things in found.items() if things}

    def _directions(self, a: int, b: int) -> tuple[str, str]:
        """On which sides of ``b`` the centre of ``a`` lies, however little."""
        (ax, ay), (bx, by) = self.scene.centre(a), self.scene.centre(b)
        return "left" if ax < bx else "right", "above" if ay < by else "below"

    def holds(self, claim: Claim) -> bool:
        """Whether the claim is true of the picture."""
        return (
            claim.ground in ("", self.scene.ground)
            and all(self.has(phrase) for phrase in claim.phrases)
            and (not claim.relation or self.relation(claim.phrases[0], claim.phrases[1]) == claim.relation)
        )


class Repertoire:
    """The kinds of a world and the colours that may be said of them where a text says something false.

    Combinations that no picture of the split shows (``banned``) are not said, or they would be known to be false without
    a look at the picture.
    """

    def __init__(self, kinds: Sequence[int], banned: Collection[Combination]) -> None:
        every = load_kinds()
        self.kinds = tuple(kinds)
        self.coloured = tuple(kind for kind in kinds if every[kind].recolourable)
        self.plain = tuple(kind for kind in kinds if not every[kind].recolourable)
        self._colours = {kind: tuple(c for c in COLOURS if (kind, c) not in banned) for kind in self.coloured}

    def absent_kind(self, pictures: Sequence[Picture], lot: Lot, among: Sequence[int]) -> int | None:
        """A kind of ``among`` that none of the pictures shows, and that can be named beside what they show."""
        for _ in range(_TRIALS if among else 0):
            kind = lot.pick(among)
            if not any(kind in picture.present or kind in picture.unclear for picture in pictures):
                return kind
        return None

    def alike(self, kind: int) -> tuple[int, ...]:
        """The kinds that come in colours where ``kind`` does, else those that do not."""
        return self.coloured if kind in self._colours else self.plain

    def may_say(self, kind: int, colour: str) -> bool:
        """Whether the colour may be said of the kind; "" always may."""
        return not colour or colour in self._colours.get(kind, ())

    def absent_colour(self, picture: Picture, lot: Lot, kind: int) -> str | None:
        """A colour in which the picture does not show the kind."""
        colours = [colour for colour in self._colours.get(kind, ()) if not picture.count(kind, colour)]
        return lot.pick(colours) if colours else None

    def colours(self, kind: int) -> tuple[str, ...]:
        """The colours that may be said of the kind."""
        return self._colours.get(kind, ())
