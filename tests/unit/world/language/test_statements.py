"""Statements: labels are true, every sentence has both, in as many pairs."""

from __future__ import annotations

from collections import Counter

import pytest

from iconotext.world.language.lot import Lot
from iconotext.world.language.statements import FORMS, Judged, Statement, by_kind, judged
from iconotext.world.language.truth import Phrase, Picture
from iconotext.world.scene import load_kinds

NAMED = {kind.name: kind.index for kind in load_kinds()}


@pytest.fixture(scope="module")
def found(pictures: list[Picture]) -> list[tuple[Judged, ...]]:
    showing = by_kind(pictures)
    return [judged(i, pictures, showing, Lot("statements", i)) for i in range(len(pictures))]


def true_of(statement: Statement, left: object, right: object) -> bool:
    if statement.form == "ground":
        return [left.scene.ground, right.scene.ground] == list(statement.grounds)  # type: ignore[attr-defined]
    phrase = statement.phrases[0]
    counts = [len(side.those(phrase.kind, phrase.colour)) for side in (left, right)]  # type: ignore[attr-defined]
    return {
        "each": lambda: left.has(phrase) and right.has(statement.phrases[1]),  # type: ignore[attr-defined]
        "both": lambda: counts[0] > 0 and counts[1] > 0,
        "one": lambda: (counts[0] > 0) is not (counts[1] > 0),
        "more": lambda: counts[0] > counts[1],
        "total": lambda: counts[0] + counts[1] == phrase.count,
    }[statement.form]()


def test_labels_are_true(found: list[tuple[Judged, ...]], truths: list) -> None:
    for item in (judgement for pair in found for judgement in pair):
        assert item.left != item.right
        assert true_of(item.statement, truths[item.left], truths[item.right]) == item.label, item.statement


def test_every_sentence_has_both_labels(found: list[tuple[Judged, ...]]) -> None:
    full = [pair for pair in found if pair]
    assert len(full) > 0.9 * len(found)
    assert all(len(pair) == 2 and pair[0].statement == pair[1].statement for pair in full)
    assert all({judgement.label for judgement in pair} == {True, False} for pair in full)
    assert 0.4 < sum(pair[0].label for pair in full) / len(full) < 0.6
    assert set(Counter(pair[0].statement.form for pair in full)) == set(FORMS)


def test_false_pairs_are_near_misses(found: list[tuple[Judged, ...]]) -> None:
    kept = [bool({pair[0].left, pair[0].right} & {pair[1].left, pair[1].right}) for pair in found if pair]
    assert sum(kept) > 0.9 * len(kept)


def test_a_single_picture_has_no_statement(pictures: list[Picture]) -> None:
    assert judged(0, pictures[:1], by_kind(pictures[:1]), Lot(1)) == ()


def test_words() -> None:
    dog, car = NAMED["dog"], NAMED["car"]
    each = Statement("each", (Phrase(dog, "", 2), Phrase(car, "red")))
    assert each.text("en", 0) == "the left picture shows exactly two dogs and the right picture shows a red car"
    assert each.text("zh", 0) == "左图正好有两只狗，右图有红色的汽车"
    assert Statement("both", (Phrase(dog),)).text("en", 0) == "both pictures show a dog"
    assert Statement("both", (Phrase(dog),)).text("zh", 0) == "两张图里都有狗"
    assert (
        Statement("total", (Phrase(dog, "", 3),)).text("en", 0) == "the two pictures together show exactly three dogs"
    )
    assert Statement("total", (Phrase(dog, "", 3),)).text("zh", 0) == "两张图里一共有三只狗"
    more = Statement("more", (Phrase(dog),))
    assert more.text("en", 0) == "there are more dogs in the left picture than in the right picture"
    ground = Statement("ground", grounds=("grass", "sand"))
    assert ground.text("en", 0) == "there is grass in the left picture and sand in the right picture"
    assert ground.text("zh", 0) == "左图是草地，右图是沙地"
