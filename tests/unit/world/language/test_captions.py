"""Captions are true, their swaps are false, and the words say what the claim says."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest

from iconotext.world.language.captions import Caption, captions
from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Picture, Repertoire
from iconotext.world.language.words import COLOUR_ZH, NUMBERS
from iconotext.world.scene import load_kinds, sample_scene

KINDS = load_kinds()
COUNTS_EN = {"a": 1, "an": 1} | {word: n for n, word in enumerate(NUMBERS["en"])}
COUNTS_ZH = {word: n for n, word in enumerate(NUMBERS["zh"])}
NOUNS_EN = {k.name: k.index for k in KINDS} | {k.plural: k.index for k in KINDS}
NOUNS_ZH = {k.name_zh: k.index for k in KINDS}


def choice_of(words: object) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))  # type: ignore[call-overload]


PHRASE_EN = re.compile(rf"\b({choice_of(COUNTS_EN)}) (?:({choice_of(COLOUR_ZH)}) )?({choice_of(NOUNS_EN)})\b(?! floor)")
MEASURES = {k.measure_zh for k in KINDS}
PHRASE_ZH = re.compile(
    rf"({choice_of(COUNTS_ZH)})({choice_of(MEASURES)})(?:({choice_of(COLOUR_ZH.values())})的)?({choice_of(NOUNS_ZH)})"
)


def read(text: str, language: str) -> list[tuple[int, str, int]]:
    """Kind, colour and count of every phrase that the words hold, in their order."""
    if language == "en":
        return [(NOUNS_EN[n], colour, COUNTS_EN[c]) for c, colour, n in PHRASE_EN.findall(text)]
    colours = {chinese: english for english, chinese in COLOUR_ZH.items()} | {"": ""}
    return [(NOUNS_ZH[n], colours[colour], COUNTS_ZH[c]) for c, _, colour, n in PHRASE_ZH.findall(text)]


@pytest.fixture(scope="module")
def said(pictures: list[Picture]) -> list[list[Caption]]:
    return [captions(picture, ("en", "zh"), Lot("captions", i)) for i, picture in enumerate(pictures)]


def test_five_captions_of_the_four_kinds(said: list[list[Caption]]) -> None:
    assert {len(mine) for mine in said} == {5}
    kinds = Counter(caption.kind for mine in said for caption in mine)
    assert set(kinds) == {"list", "pair", "relation", "count"}
    assert all(sum(caption.kind == "list" for caption in mine) >= 2 for mine in said)
    assert min(kinds.values()) > 0.5 * len(said)


def test_captions_are_true(said: list[list[Caption]], truths: list) -> None:
    for truth, mine in zip(truths, said):
        for caption in mine:
            assert truth.holds(caption.claim), caption.text


def test_words_say_what_the_claim_says(said: list[list[Caption]], truths: list) -> None:
    for truth, mine in zip(truths, said):
        for caption in mine:
            claimed = sorted((p.kind, p.colour, p.count) for p in caption.claim.phrases)
            assert sorted(read(caption.text, caption.language)) == claimed, caption.text
            assert caption.text == caption.text.lower() or caption.language == "zh"
            assert not caption.text.endswith((".", "。"))
            assert all(len(truth.those(kind, colour)) == count for kind, colour, count in claimed)


@pytest.mark.parametrize("what", ["colour", "object", "count", "left_right"])
def test_swaps_are_false_and_change_one_thing(
    what: str, said: list[list[Caption]], pictures: list[Picture], truths: list, repertoire: Repertoire
) -> None:
    lot, swaps = Lot("swap", what), 0
    for picture, truth, mine in zip(pictures, truths, said):
        for caption in mine:
            swapped = caption.swapped(what, picture, repertoire, lot)
            if swapped is None:
                continue
            swaps += 1
            assert not truth.holds(swapped.claim), (caption.text, swapped.text)
            assert swapped.text != caption.text
            before, after = caption.claim, swapped.claim
            assert (before.ground, len(before.phrases)) == (after.ground, len(after.phrases))
            changed = [(a, b) for a, b in zip(before.phrases, after.phrases) if a != b]
            if what == "left_right":
                assert not changed
                assert {before.relation, after.relation} == {"left", "right"}
                continue
            assert before.relation == after.relation
            ((old, new),) = changed
            field = {"colour": "colour", "object": "kind", "count": "count"}[what]
            assert [f for f in ("kind", "colour", "count") if getattr(old, f) != getattr(new, f)] == [field]
            assert repertoire.may_say(new.kind, new.colour)
            assert what == "count" or not truth.those(new.kind, new.colour)
            assert KINDS[old.kind].recolourable == KINDS[new.kind].recolourable
    assert swaps > 50


def test_a_single_thing_said_without_its_number_is_not_recounted(
    said: list[list[Caption]], pictures: list[Picture], repertoire: Repertoire
) -> None:
    lot = Lot("count")
    for picture, mine in zip(pictures, said):
        for caption in mine:
            swapped = caption.swapped("count", picture, repertoire, lot)
            if swapped:
                places = range(len(caption.claim.phrases))
                (place,) = (i for i in places if caption.claim.phrases[i] != swapped.claim.phrases[i])
                counts = caption.claim.phrases[place].count, swapped.claim.phrases[place].count
                assert min(counts) > 1 or (caption.kind == "count" and place == 0)


def test_relations_between_groups_hold_for_all_members(said: list[list[Caption]], truths: list) -> None:
    several = 0
    for truth, mine in zip(truths, said):
        for caption in (c for c in mine if c.kind == "relation"):
            first, second = (truth.those(p.kind, p.colour) for p in caption.claim.phrases)
            several += len(first) * len(second) > 1
            assert all(truth.stands(a, caption.claim.relation, b) for a in first for b in second)
    assert several > 10


def test_nothing_is_said_that_is_ambiguous() -> None:
    names = ("tree", "pine tree", "car", "bus", "fish", "shark", "dog", "owl")
    kinds = [kind.index for kind in KINDS if kind.name in names]
    repertoire = Repertoire(kinds, ())
    unclear = 0
    for i in range(150):
        picture = Picture(sample_scene(1, "test", i, kinds))
        unclear += bool(set(picture.present) & picture.unclear)
        lot = Lot(i)
        for caption in captions(picture, ("en",), lot):
            swapped = caption.any_swap(picture, repertoire, lot)
            claims = [caption.claim, swapped[1].claim] if swapped else [caption.claim]
            assert not any(phrase.kind in picture.unclear for claim in claims for phrase in claim.phrases)
    assert unclear > 20


def test_a_caption_says_where_its_phrases_are(said: list[list[Caption]]) -> None:
    for caption in (caption for mine in said for caption in mine):
        words = [caption.text[begin:end] for begin, end in caption.spans]
        found = [phrase for text in words for phrase in read(text, caption.language)]
        assert found == [(p.kind, p.colour, p.count) for p in caption.claim.phrases]
        places = sorted(caption.spans)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(places))
