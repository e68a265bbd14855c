"""Choices: one of four answers and one of four reasons is true, in places that tell nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from iconotext.world.language.choices import Choice, choice
from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Picture, Repertoire


@pytest.fixture(scope="module")
def found(pictures: list[Picture], repertoire: Repertoire) -> list[Choice | None]:
    return [choice(picture, repertoire, Lot("choices", i)) for i, picture in enumerate(pictures)]


def true_answer(truth: object, item: Choice, answer: str | int) -> bool:
    scene, phrase = truth.scene, item.question.phrase  # type: ignore[attr-defined]
    those = truth.those(phrase.kind, phrase.colour)  # type: ignore[attr-defined]
    if item.question.kind == "count":
        return len(those) == answer
    if item.question.kind == "colour":
        return all(scene.things[i].colour == answer for i in those)
    options = truth.those(answer)  # type: ignore[attr-defined]
    return any(truth.stands(i, item.question.relation, j) for i in options for j in those)  # type: ignore[attr-defined]


def test_one_answer_and_one_reason_are_true(found: list[Choice | None], truths: list) -> None:
    for truth, item in zip(truths, found):
        if item:
            assert len(set(item.answers)) == 4
            assert [i for i, a in enumerate(item.answers) if true_answer(truth, item, a)] == [item.answer]
            assert [i for i, claim in enumerate(item.reasons) if truth.holds(claim)] == [item.reason]


def test_most_pictures_have_a_choice_of_each_kind(found: list[Choice | None]) -> None:
    items = [item for item in found if item]
    assert len(items) > 0.8 * len(found)
    assert set(Counter(item.question.kind for item in items)) == {"colour", "count", "relation"}
    assert {bool(item.reasons[0].relation) for item in items} == {True, False}


def test_places_are_even(found: list[Choice | None]) -> None:
    items = [item for item in found if item]
    for places in (Counter(item.answer for item in items), Counter(item.reason for item in items)):
        assert all(0.15 < places[place] / len(items) < 0.35 for place in range(4))


def test_reasons_are_two_by_two(found: list[Choice | None]) -> None:
    for item in (item for item in found if item):
        assert len({claim.phrases[0] for claim in item.reasons}) == 1
        assert len({claim.phrases[1] for claim in item.reasons}) == 2
        assert len({(claim.relation, claim.ground) for claim in item.reasons}) == 2
        assert len(set(item.reasons)) == 4


@pytest.mark.parametrize("language", ["en", "zh"])
def test_options_differ_in_words(found: list[Choice | None], language: str) -> None:
    for item in (item for item in found if item):
        assert len(set(item.answer_texts(language))) == 4
        assert len(set(item.reason_texts(language, 3))) == 4
        assert all(text.startswith(("because ", "因为")) for text in item.reason_texts(language, 0))
