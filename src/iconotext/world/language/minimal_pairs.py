"""Minimal pairs: a true caption and the same caption with one swap that makes it false."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from iconotext.world.language.captions import Caption, caption
from iconotext.world.language.lot import Lot
from iconotext.world.language.swaps import SWAPS
from iconotext.world.language.truth import Picture, Repertoire


def minimal_pairs(
    picture: Picture, said: Sequence[Caption], repertoire: Repertoire, languages: Sequence[str], lot: Lot
) -> Iterator[tuple[str, Caption, Caption]]:
    """The kind of swap, a true caption and its false twin: up to one pair for each kind of swap.

    Colour, object and count are swapped in the captions ``said`` of the picture, left and right in a caption of its own.
    """
    across = [claim for claim in picture.related if claim.relation in ("left", "right")]
    for what in SWAPS:
        if what == "left_right":
            candidates = [caption("relation", lot.pick(across), languages, lot)] if across else []
        else:
            candidates = lot.order(said)
        for true in candidates:
            false = true.swapped(what, picture, repertoire, lot)
            if false:
                yield what, true, false
                break
