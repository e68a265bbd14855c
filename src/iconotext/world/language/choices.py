"""Four-way choices: a question with four answers, and four reasons of which one is true of the picture.

The reasons are two by two: a right or wrong relation (or ground) with a right or wrong companion. No option is nearer to the
others than the rest, so the right one cannot be told from the words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from iconotext.world.language.lot import Lot
from iconotext.world.language.questions import Question, colour_questions, count_questions, relation_questions
from iconotext.world.language.swaps import swap_phrase
from iconotext.world.language.truth import Claim, Phrase, Picture, Repertoire
from iconotext.world.language.words import (
    COLOUR_ZH,
    OPPOSITE,
    PLACES,
    RELATIONS,
    exactly,
    of_style,
    some,
    the,
)
from iconotext.world.scene import GROUNDS

OPTIONS = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """A question, what may be answered (as ``Question.answer``), and claims that may be the reason.

    ``answer`` and ``reason`` are the places of the right ones.
    """

    question: Question
    answers: tuple[str | int, ...]
    answer: int
    reasons: tuple[Claim, ...]
    reason: int

    def answer_texts(self, language: str) -> list[str]:
        """The four answers in words."""
        return [_answer(self.question, answer, language) for answer in self.answers]

    def reason_texts(self, language: str, style: int) -> list[str]:
        """The four reasons in words."""
        return [_reason(claim, language, style) for claim in self.reasons]


def _answer(question: Question, answer: str | int, language: str) -> str:
    phrase = question.phrase
    if question.kind == "relation":
        return some(int(answer), "", 0, language)
    if question.kind == "count":
        counted = exactly(phrase.kind, phrase.colour, int(answer), language)
        return f"有{counted}" if language == "zh" else f"there {'is' if answer == 1 else 'are'} {counted}"
    things = the(phrase.kind, "", phrase.count, language)
    if language == "zh":
        return f"{things}是{COLOUR_ZH[str(answer)]}的"
    return f"{things} {'are' if phrase.count > 1 else 'is'} {answer}"


def _reason(claim: Claim, language: str, style: int) -> str:
    subject, companion = claim.phrases
    what = the(subject.kind, subject.colour, subject.count, language)
    beside = some(companion.kind, companion.colour, companion.count, language)
    verb = "is" if subject.count == 1 else "are"
    if claim.relation:
        where = of_style(RELATIONS[language][claim.relation], style)
        return f"因为{what}在{beside}的{where}" if language == "zh" else f"because {what} {verb} {where} {beside}"
    place = of_style(PLACES[language][claim.ground], style)
    return f"因为{what}和{beside}在{place}" if language == "zh" else f"because {what} and {beside} are {place}"


def choice(picture: Picture, repertoire: Repertoire, lot: Lot) -> Choice | None:
    """A choice on the picture, about a colour, a count or a relation; None where no question has four answers and reasons."""
    asked = [colour_questions(picture, lot), count_questions(picture, lot), relation_questions(picture, lot)]
    for question in (found[0] for found in lot.order(asked) if found):
        answers = _answers(question, picture, repertoire, lot)
        reasons = _reasons(question, picture, repertoire, lot)
        if len(answers) == OPTIONS and reasons:
            order, other_order = lot.order(range(OPTIONS)), lot.order(range(OPTIONS))
            return Choice(
                question,
                tuple(answers[i] for i in order),
                order.index(0),
                tuple(reasons[i] for i in other_order),
                other_order.index(0),
            )
    return None


def _answers(question: Question, picture: Picture, repertoire: Repertoire, lot: Lot) -> list[str | int]:
    """The right answer and others: first those that are true of other things in the picture."""
    others: list[str | int]
    kind = question.phrase.kind
    if question.kind == "count":
        others = [count for count in lot.order(range(1, 6)) if count != question.answer]
    elif question.kind == "colour":
        near = {group.colour for group in picture.groups}
        others = [colour for colour in lot.order(repertoire.colours(kind)) if colour != question.answer]
        others.sort(key=lambda colour: colour not in near)
    else:
        others = [other for other in picture.kinds if other not in (kind, question.answer)]
        absent = (repertoire.absent_kind([picture], lot, repertoire.kinds) for _ in range(2 * OPTIONS))
        others += dict.fromkeys(other for other in absent if other is not None)
    return [question.answer, *others[: OPTIONS - 1]]


def _reasons(question: Question, picture: Picture, repertoire: Repertoire, lot: Lot) -> list[Claim]:
    """The true claim and three false ones on what the question and its answer are about; nothing where there is none.

    The companion is of a kind that neither the question nor the answer names, or the words would tell.
    """
    subject, named = question.phrase, {question.phrase.kind}
    if question.kind == "colour":
        subject = replace(subject, colour=str(question.answer))
    if question.kind == "relation":
        kind = int(question.answer)
        subject = Phrase(kind, "", picture.count(kind))
        named.add(kind)
    companions = lot.order([group for group in picture.groups if group.kind not in named])
    companions.sort(key=lambda group: picture.relation(subject, group) is None)
    for companion in companions:
        other = _another(companion, picture, repertoire, lot)
        if other:
            relation = picture.relation(subject, companion)
            if relation:
                true = Claim((subject, companion), relation=relation)
                turned = replace(true, relation=OPPOSITE[relation])
            else:
                true = Claim((subject, companion), ground=picture.scene.ground)
                turned = replace(true, ground=lot.pick([g for g in GROUNDS if g != picture.scene.ground]))
            return [true, turned, true.with_phrase(1, other), turned.with_phrase(1, other)]
    return []


def _another(phrase: Phrase, picture: Picture, repertoire: Repertoire, lot: Lot) -> Phrase | None:
    """The phrase with its colour, object or count swapped."""
    for what in lot.order(("colour", "object", "count")):
        found = swap_phrase(phrase, what, 2, picture, repertoire, lot)
        if found:
            return found
    return None
