"""Questions with one answer: whether, how many, which colour, what is beside, on which ground.

Answers are balanced so that the question alone tells little: as many yes as no for every object and colour, colours and
grounds even, counts as even as the pictures allow.
"""

from __future__ import annotations

from dataclasses import dataclass

from iconotext.world.language.lot import Lot
from iconotext.world.language.truth import Phrase, Picture, Repertoire
from iconotext.world.language.words import COLOUR_ZH, GROUND_ZH, RELATIONS, name, noun, of_style, some, the
from iconotext.world.scene import load_kinds

YES_NO_ZH = {"yes": "有", "no": "没有"}

_MOST = 2
"""The most questions on counts, on colours and on relations in one picture."""

_TRIALS = 3
"""Draws of two questions on whether there is a thing; two that differ are kept."""

COUNT_ACCEPTED = (0.0, 0.2, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""The share of counts of each size that are asked: small counts are frequent in pictures."""

_FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "exists": (
            "is there {some}",
            "is there {some} in the picture",
            "are there any {nouns}",
            "does the picture show {some}",
            "can you see {some}",
        ),
        "count": (
            "how many {nouns} are there",
            "how many {nouns} are in the picture",
            "how many {nouns} can you see",
            "what is the number of {nouns}",
        ),
        "colour": (
            "what colour {is_} {the}",
            "what color {is_} {the}",
            "what is the colour of {the}",
            "which colour {do} {the} have",
        ),
        "relation": (
            "what is {relation} {the}",
            "which object is {relation} {the}",
            "what can be seen {relation} {the}",
            "what do you see {relation} {the}",
        ),
        "ground": (
            "what is the ground",
            "what kind of ground is it",
            "what is the ground made of",
            "what are the things on",
        ),
    },
    "zh": {
        "exists": ("有没有{noun}", "图中有{noun}吗", "有{noun}吗", "这张图里有没有{noun}"),
        "count": ("有几{measure}{noun}", "图中有几{measure}{noun}", "一共有多少{measure}{noun}", "{noun}有几{measure}"),
        "colour": ("{noun}是什么颜色的", "{noun}是什么颜色", "{noun}的颜色是什么"),
        "relation": ("{the}的{relation}是什么", "{the}{relation}有什么", "什么在{the}的{relation}"),
        "ground": ("地面是什么", "这是什么地面", "东西在什么地面上", "图中的地面是什么"),
    },
}
_MARK = {"en": "?", "zh": "？"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a picture and the true answer.

    ``kind`` is exists, count, colour, relation or ground; ``phrase`` what it is about. ``answer`` is "yes" or "no", a
    number, a colour, the kind of thing that stands in the ``relation`` to the phrase, or a ground.
    """

    kind: str
    answer: str | int
    phrase: Phrase = Phrase(0)
    relation: str = ""

    def text(self, language: str, style: int) -> str:
        """The question in words; half of the styles end with a question mark."""
        kind, colour, count = self.phrase.kind, self.phrase.colour, self.phrase.count
        form = of_style(_FORMS[language][self.kind], style)
        plural = count > 1
        words = form.format(
            some=some(kind, colour, 0, language),
            noun=noun(kind, colour, language),
            nouns=noun(kind, colour, language, True),
            the=the(kind, colour, count, language),
            is_="are" if plural else "is",
            do="do" if plural else "does",
            measure=load_kinds()[kind].measure_zh,
            relation=of_style(RELATIONS[language][self.relation], style >> 8) if self.relation else "",
        )
        return words + (_MARK[language] if style >> 15 & 1 else "")

    def answer_text(self, language: str) -> str:
        """The answer as a short word: yes, 3, red, dog, grass."""
        if self.kind == "relation":
            return name(int(self.answer), language)
        answer = str(self.answer)
        if language == "en" or self.kind == "count":
            return answer
        return {"exists": YES_NO_ZH, "colour": COLOUR_ZH, "ground": GROUND_ZH}[self.kind][answer]


def questions(picture: Picture, repertoire: Repertoire, lot: Lot) -> list[Question]:
    """About eight different questions on a picture."""
    whether: tuple[Question, ...] = ()
    for _ in range(_TRIALS):
        pair = _exists(picture, repertoire, lot)
        if len(whether) < 4 and not set(pair) & set(whether):
            whether += pair
    return [
        *whether,
        *count_questions(picture, lot)[:_MOST],
        *colour_questions(picture, lot)[:_MOST],
        *relation_questions(picture, lot)[:_MOST],
        Question("ground", picture.scene.ground),
    ]


def _exists(picture: Picture, repertoire: Repertoire, lot: Lot) -> tuple[Question, ...]:
    """Two questions whether there is a thing of a kind, or of a kind in a colour: one with the answer yes, one with no."""
    coloured = [group for group in picture.groups if group.colour]
    colour: str | None = ""
    if coloured and lot.chance(0.5):
        there = lot.pick(coloured)
        kind, colour = _absent_coloured(there.kind, picture, repertoire, lot)
    else:
        there = Phrase(lot.pick(picture.kinds))
        kind = repertoire.absent_kind([picture], lot, repertoire.kinds)
    if kind is None or colour is None:
        return ()
    return (
        Question("exists", "yes", Phrase(there.kind, there.colour)),
        Question("exists", "no", Phrase(kind, colour)),
    )


def _absent_coloured(kind: int, picture: Picture, repertoire: Repertoire, lot: Lot) -> tuple[int | None, str | None]:
    """The kind in a colour that the picture does not show it in, or, as often, an absent kind in any colour."""
    absent = repertoire.absent_kind([picture], lot, repertoire.coloured) if lot.chance(0.5) else None
    chosen = kind if absent is None else absent
    return chosen, repertoire.absent_colour(picture, lot, chosen)


def count_questions(picture: Picture, lot: Lot) -> list[Question]:
    """How many things of a kind there are, in any colour or, as often, in one; few of the frequent small counts."""
    found: list[Question] = []
    for kind in lot.order(picture.kinds):
        colour = lot.pick([group.colour for group in picture.groups if group.kind == kind]) if lot.chance(0.5) else ""
        count = picture.count(kind, colour)
        if lot.chance(COUNT_ACCEPTED[count]):
            found.append(Question("count", count, Phrase(kind, colour, count)))
    return found


def colour_questions(picture: Picture, lot: Lot) -> list[Question]:
    """The colour of each kind that comes in one colour, in random order."""
    return [
        Question("colour", group.colour, Phrase(group.kind, "", group.count))
        for group in lot.order(picture.groups)
        if group.colour and picture.count(group.kind) == group.count
    ]


def relation_questions(picture: Picture, lot: Lot) -> list[Question]:
    """What stands in a relation to a group, where it is one kind and certainly nothing else."""
    found: list[Question] = []
    for group in picture.groups:
        alone = picture.count(group.kind) == group.count
        phrase = Phrase(group.kind, "" if alone and lot.chance(0.5) else group.colour, group.count)
        for relation, things in picture.around(phrase).items():
            kinds = {picture.scene.things[thing].kind for thing in things}
            answer = min(kinds)
            if len(kinds) == 1 and answer in picture.kinds and answer != group.kind:
                found.append(Question("relation", answer, phrase, relation))
    return lot.order(found)
