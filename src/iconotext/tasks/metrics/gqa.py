"""GQA: accuracy, consistency, validity, plausibility, distribution, as the official ``eval.py`` has them.

Hudson and Manning (CVPR 2019). Answers are compared letter by letter. All figures are over the balanced questions;
consistency asks for predictions of the questions that they entail as well, balanced or not. Attention maps are not looked
at, so there is no "grounding".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.data.sources.published.gqa import Choices, GqaQuestion

COMMON = ("color", "material", "shape")
"""The valid answers to what two things have in common."""

GROUPINGS: Mapping[str, Callable[[GqaQuestion], str]] = {
    "structural type": lambda question: question.structural,
    "semantic type": lambda question: question.semantic,
    "steps": lambda question: str(question.steps),
    "length": lambda question: str(question.words),
}
"""What the official table is broken down by."""


@dataclass(frozen=True)
class Judged:
    """The balanced questions in order, with what was right about each prediction; shares from 0 to 1.

    ``consistency`` is NaN for a question that was answered wrong or entails none, and None where entailed questions are not
    in the file, as with the balanced one alone; ``valid`` and ``plausible`` are None without lists of choices. Figures are
    means without the NaN, 0 of nothing; their unit is the image.
    """

    questions: tuple[GqaQuestion, ...]
    predictions: tuple[str, ...]
    right: NDArray[np.float64]
    consistency: NDArray[np.float64] | None
    valid: NDArray[np.float64] | None
    plausible: NDArray[np.float64] | None

    @property
    def binary(self) -> NDArray[np.bool_]:
        """Which questions offer their answers; the others are open."""
        return np.array([question.structural != "query" for question in self.questions], np.bool_)

    def by(self, grouping: str) -> dict[str, NDArray[np.float64]]:
        """What was right, by one of ``GROUPINGS``."""
        groups: dict[str, list[float]] = defaultdict(list)
        for question, right in zip(self.questions, self.right):
            groups[GROUPINGS[grouping](question)].append(float(right))
        return {name: np.array(values) for name, values in groups.items()}

    @property
    def distribution(self) -> float | None:
        """How far the answers given stray from the right ones: 0 is best.

        Chi-square of each global group, averaged by size, divided by 100. None where no question has a group; the official
        code ends in a division by zero there.
        """
        gold: dict[str, Counter[str]] = defaultdict(Counter)
        said: dict[str, Counter[str]] = defaultdict(Counter)
        for question, prediction in zip(self.questions, self.predictions):
            if question.group is not None:
                gold[question.group][question.answer] += 1
                said[question.group][prediction] += 1
        total = sum(counts.total() for counts in gold.values())
        if not total:
            return None
        return sum(_chi_square(gold[group], said[group]) * gold[group].total() for group in gold) / total / 100


def judge(
    questions: Mapping[str, GqaQuestion], predictions: Mapping[str, str], choices: Mapping[str, Choices] | None = None
) -> Judged:
    """Compare predictions by question id with the answers.

    Raises:
        DataError: a balanced question, or one that it entails, has no prediction, no answer or no choices.
    """
    balanced = [question for question in questions.values() if question.balanced]
    entailed = {i for question in balanced for i in question.entailed}
    whole = entailed <= questions.keys()
    needed = {question.question_id for question in balanced} | (entailed if whole else set())
    right = {i: _right(questions[i], predictions) for i in sorted(needed)}
    lists = None if choices is None else [_choices(choices, question) for question in balanced]
    return Judged(
        tuple(balanced),
        tuple(predictions[question.question_id] for question in balanced),
        np.array([right[question.question_id] for question in balanced]),
        np.array([_consistency(question, right) for question in balanced]) if whole else None,
        None if lists is None else _among(balanced, predictions, [found.valid for found in lists]),
        None if lists is None else _among(balanced, predictions, [found.plausible for found in lists]),
    )


def _right(question: GqaQuestion, predictions: Mapping[str, str]) -> float:
    for name, there in (("answer", question.answer != ""), ("prediction", question.question_id in predictions)):
        if not there:
            raise DataError(f"GQA: question {question.question_id} has no {name}")
    return float(predictions[question.question_id] == question.answer)


def _consistency(question: GqaQuestion, right: Mapping[str, float]) -> float:
    entailed = [right[i] for i in question.entailed if i != question.question_id]
    return float(np.mean(entailed)) if entailed and right[question.question_id] else float("nan")


def _choices(choices: Mapping[str, Choices], question: GqaQuestion) -> Choices:
    if question.question_id not in choices:
        raise DataError(f"GQA: question {question.question_id} has no choices")
    common = "Common" in question.detailed
    return Choices(COMMON, COMMON) if common else choices[question.question_id]


def _among(
    questions: list[GqaQuestion], predictions: Mapping[str, str], lists: list[tuple[str, ...]]
) -> NDArray[np.float64]:
    return np.array([predictions[q.question_id] in found for q, found in zip(questions, lists)], np.float64)


def _chi_square(gold: Counter[str], said: Counter[str]) -> float:
    return sum((said[answer] - count) ** 2 / count for answer, count in gold.items())
