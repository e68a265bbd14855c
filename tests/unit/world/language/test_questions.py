"""Questions have one true answer, and tell little about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import pytest

from iconotext.world.language.lot import Lot
from iconotext.world.language.questions import Question, questions
from iconotext.world.language.truth import Phrase, Picture, Repertoire
from iconotext.world.scene import held_out_combinations, load_kinds, sample_scene

SEED = 11
KINDS = tuple(i * len(load_kinds()) // 100 for i in range(100))


@pytest.fixture(scope="module")
def asked(pictures: list[Picture], repertoire: Repertoire) -> list[list[Question]]:
    return [questions(picture, repertoire, Lot("vqa", i)) for i, picture in enumerate(pictures)]


def test_about_eight_different_questions_a_picture(asked: list[list[Question]]) -> None:
    assert 7 <= sum(map(len, asked)) / len(asked) <= 9
    assert all(len(set(mine)) == len(mine) for mine in asked)
    kinds = Counter(question.kind for mine in asked for question in mine)
    assert set(kinds) == {"exists", "count", "colour", "relation", "ground"}
    assert min(kinds.values()) > 0.5 * len(asked)


def answer(truth: object, question: Question) -> set[str | int]:
    """Every answer that is true, found in the boxes."""
    scene, phrase = truth.scene, question.phrase  # type: ignore[attr-defined]
    those = truth.those(phrase.kind, phrase.colour)  # type: ignore[attr-defined]
    if question.kind == "exists":
        return {"yes" if those else "no"}
    if question.kind == "count":
        return {len(those)}
    if question.kind == "colour":
        return {scene.things[i].colour for i in those}
    if question.kind == "ground":
        return {scene.ground}
    others = [i for i in range(len(scene.things)) if i not in those]
    clear = [i for i in others if all(truth.stands(i, question.relation, j) for j in those)]  # type: ignore[attr-defined]
    vague = [i for i in others if any(truth.on_side(i, question.relation, j) for j in those)]  # type: ignore[attr-defined]
    assert set(vague) <= set(clear)
    return {scene.things[i].kind for i in clear}


def test_the_answer_is_the_only_true_one(asked: list[list[Question]], truths: list) -> None:
    for truth, mine in zip(truths, asked):
        for question in mine:
            assert answer(truth, question) == {question.answer}, question.text("en", 0)


def test_what_a_question_presumes_is_true(asked: list[list[Question]], truths: list) -> None:
    for truth, mine in zip(truths, asked):
        for question in mine:
            if question.kind in ("count", "colour", "relation"):
                assert truth.has(question.phrase)


def test_words() -> None:
    car = next(kind.index for kind in load_kinds() if kind.name == "car")
    dog = next(kind.index for kind in load_kinds() if kind.name == "dog")
    exists = Question("exists", "yes", Phrase(car, "red"))
    assert exists.text("en", 0) == "is there a red car"
    assert exists.text("en", 1 << 15).endswith("?")
    assert exists.text("zh", 0) == "有没有红色的汽车"
    assert (exists.answer_text("en"), exists.answer_text("zh")) == ("yes", "有")
    count = Question("count", 3, Phrase(dog, "", 3))
    assert count.text("en", 0) == "how many dogs are there"
    assert count.text("zh", 0) == "有几只狗"
    assert (count.answer_text("en"), count.answer_text("zh")) == ("3", "3")
    colour = Question("colour", "red", Phrase(car, "", 2))
    assert colour.text("en", 0) == "what colour are the cars"
    assert (colour.answer_text("en"), colour.answer_text("zh")) == ("red", "红色")
    beside = Question("relation", dog, Phrase(car, "red", 1), "left")
    assert beside.text("en", 0) == "what is left of the red car"
    assert beside.text("zh", 0) == "红色汽车的左边是什么"
    assert (beside.answer_text("en"), beside.answer_text("zh")) == ("dog", "狗")
    assert Question("ground", "grass").answer_text("zh") == "草地"


@cache
def split(name: str, count: int) -> list[list[Question]]:
    banned = held_out_combinations(SEED, KINDS)
    repertoire = Repertoire(KINDS, banned)
    pictures = (Picture(sample_scene(SEED, name, i, KINDS, banned=banned)) for i in range(count))
    return [questions(picture, repertoire, Lot(SEED, name, i)) for i, picture in enumerate(pictures)]


def levels(question: Question) -> Sequence[tuple[object, ...]]:
    """What a reader of the question alone can go by, from most to least."""
    phrase, plural = question.phrase, question.phrase.count > 1 and question.kind != "count"
    start = (question.kind, question.relation)
    return (
        (*start, phrase.kind, phrase.colour, plural),
        (*start, phrase.kind, plural),
        (question.kind, phrase.kind),
        start,
        (question.kind,),
    )


def question_only_accuracy(train: list[list[Question]], test: list[list[Question]], fewest: int) -> float:
    """The accuracy of the most frequent answer to the most specific question that was seen at least so often."""
    seen: dict[tuple[object, ...], Counter[str | int]] = {}
    for question in (q for mine in train for q in mine):
        for level in levels(question):
            seen.setdefault(level, Counter())[question.answer] += 1
    right = total = 0
    for question in (q for mine in test for q in mine):
        counts = next(seen[level] for level in levels(question) if level in seen and seen[level].total() >= fewest)
        right += counts.most_common(1)[0][0] == question.answer
        total += 1
    return right / total


def test_the_question_alone_tells_little() -> None:
    train, test = split("train", 1000), split("test", 300)
    accuracies = [question_only_accuracy(train, test, fewest) for fewest in (1, 3, 10, 30, 100)]
    print("question-only accuracy:", [round(accuracy, 3) for accuracy in accuracies])
    assert max(accuracies) < 0.45


def test_yes_and_no_are_balanced_for_objects_and_colours() -> None:
    answers: dict[str, Counter[str | int]] = {"yes": Counter(), "no": Counter()}
    for question in (q for mine in split("train", 1000) for q in mine if q.kind == "exists"):
        answers[str(question.answer)][question.phrase.colour] += 1
    assert answers["yes"].total() == answers["no"].total()
    for colour, yes in answers["yes"].items():
        assert 0.4 < yes / (yes + answers["no"][colour]) < 0.6, colour
