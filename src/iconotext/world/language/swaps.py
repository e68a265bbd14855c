"""One thing changed in a true claim, so that it becomes false: the colour, the object, the count, or left and right.

A swap cannot be told from its words: colours and objects are drawn evenly, and the counts n → m and m → n are equally
frequent (the rule of Metropolis on the frequencies of the counts).
"""

from __future__ import annotations

from dataclasses import replace

from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Claim, Phrase, Picture, Repertoire
from iconotext.world.language.words import OPPOSITE

SWAPS = ("colour", "object", "count", "left_right")

COUNT_SHARES = (0.0, 0.596, 0.224, 0.108, 0.049, 0.024, 0.008, 0.004, 0.001)
"""How often a group of the world has so many members (above 5: several groups of one kind)."""


def swap_phrase(
    phrase: Phrase, what: str, fewest: int, picture: Picture, repertoire: Repertoire, lot: Lot
) -> Phrase | None:
    """The phrase with another colour, object or count, which the picture does not show; None where there is none.

    A count is swapped from ``fewest`` up only: 2 where one thing is said as "a dog", which two dogs would not deny.
    """
    if what == "colour":
        colour = repertoire.absent_colour(picture, lot, phrase.kind) if phrase.colour else None
        return replace(phrase, colour=colour) if colour else None
    if what == "object":
        kind = repertoire.absent_kind([picture], lot, repertoire.alike(phrase.kind))
        return None if kind is None or not repertoire.may_say(kind, phrase.colour) else replace(phrase, kind=kind)
    others = [count for count in range(fewest, 6) if count != phrase.count]
    if phrase.count < fewest:
        return None
    count = lot.pick(others)
    accepted = lot.chance(COUNT_SHARES[count] / COUNT_SHARES[phrase.count])
    return replace(phrase, count=count) if accepted else None


def swap_claim(
    claim: Claim, what: str, fewest_first: int, picture: Picture, repertoire: Repertoire, lot: Lot
) -> Claim | None:
    """The claim with one swap in one of its phrases, or of left and right, false for the picture; None where there is none.

    ``fewest_first`` is the smallest count of the first phrase that is said as a number.
    """
    if what == "left_right":
        if claim.relation not in ("left", "right"):
            return None
        return replace(claim, relation=OPPOSITE[claim.relation])
    for index in lot.order(range(len(claim.phrases))):
        fewest = fewest_first if index == 0 else 2
        phrase = swap_phrase(claim.phrases[index], what, fewest, picture, repertoire, lot)
        if phrase:
            return claim.with_phrase(index, phrase)
    return None
