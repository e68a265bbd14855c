"""Questions on pictures, answered by a choice among the answers that are frequent in training.

With the answers of ten annotators everything is as published: the vocabulary of normalised majority answers, soft targets,
official accuracy. With a plain list of right answers each of them counts 1, and letters' case and white space do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from iconotext.core.batch import Loss
from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating, no_regions
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.models.task import TaskKind
from iconotext.tasks.base import Rows, TaskBatch
from iconotext.tasks.metrics.vqa import ANNOTATORS, accuracy, majority, soft_targets, vocabulary, vocabulary_form


@dataclass(frozen=True)
class VQA:
    """Sigmoid of each answer against its soft score.

    Head: answers from the pooled pair. Group: one pair.
    Loss: binary cross entropy, summed over the answers, mean over the questions: what UNITER and ViLBERT write as the mean
    over both times the number of answers.
    Decode: the answer with the highest score.
    """

    name: ClassVar[str] = "vqa"
    answers: tuple[str, ...]

    @property
    def kind(self) -> TaskKind:
        """An answer head."""
        return TaskKind(self.name, "answer", self.answers)

    def loss(self, scores: Float[Tensor, "B A"], micro: TaskBatch) -> Loss:
        """Summed binary cross entropy of the questions."""
        total = nn.functional.binary_cross_entropy_with_logits(scores.float(), micro.targets, reduction="sum")
        return Loss(total, total.new_tensor(float(micro.examples)))

    def decode(self, scores: Float[Tensor, "B A"], group: int = 1) -> Int[Tensor, "B"]:
        """The index of the answer with the highest score."""
        return scores.argmax(1)


@dataclass(frozen=True)
class Asked:
    """The questions of a split as they are in the data."""

    ids: list[str]
    images: list[str]
    questions: list[str]
    answers: list[list[str]]
    kinds: list[str]
    languages: list[str]
    annotated: bool = field(init=False)
    """Whether the answers are those of ten annotators, and not lists of right ones."""

    def __post_init__(self) -> None:
        given = [answers for answers in self.answers if answers]
        object.__setattr__(self, "annotated", bool(given) and min(map(len, given)) >= ANNOTATORS)

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def read(cls, data: DataSet, split: str, store: RegionStore, language: str = "") -> Asked:
        """The questions on images that have regions, in one language or (with "") in all.

        Raises:
            DataError: there are none.
        """
        table = data.table("vqa", split)
        names = ("question_id", "image_id", "question", "answers", "kind", "language")
        rows = zip(*(table[name].to_pylist() for name in names))
        chosen = [row for row in rows if row[1] in store and (not language or row[5] == language)]
        if not chosen:
            raise DataError(
                f"{data.path}: split {split!r} has no question ({len(table)} in all languages) whose image has regions in "
                f"{store.path}. Extract regions of this data set, or name the right store."
            )
        columns = [list(column) for column in zip(*chosen)]
        return cls(*columns)

    def answered(self) -> Asked:
        """Those that have an answer."""
        keep = [i for i, answers in enumerate(self.answers) if answers]
        columns = (self.ids, self.images, self.questions, self.answers, self.kinds, self.languages)
        return Asked(*([column[i] for i in keep] for column in columns))  # type: ignore[arg-type]

    def counted(self) -> Iterator[set[str]]:
        """What each question contributes to a vocabulary."""
        for answers in self.answers:
            if self.annotated and answers:
                yield {vocabulary_form(majority(answers))}
            else:
                yield {plain(answer) for answer in answers}

    def vocabulary(self, minimum: int) -> tuple[str, ...]:
        """The answers that at least ``minimum`` questions have.

        Raises:
            DataError: there is none.
        """
        found = vocabulary(self.counted(), minimum)
        if not found:
            raise DataError(
                f"No answer is given to {minimum} of the {len(self)} questions: give a smaller --min-count, or more data."
            )
        return found

    def targets(self, row: int, known: dict[str, int]) -> dict[str, float]:
        """The score of each known answer to a question; may be empty."""
        if self.annotated:
            return soft_targets(self.answers[row], known)
        return {answer: 1.0 for answer in map(plain, self.answers[row]) if answer in known}

    def accuracy(self, row: int, prediction: str) -> float:
        """How right a prediction is; NaN for a question without answers."""
        answers = self.answers[row]
        if not answers:
            return float("nan")
        if self.annotated:
            return accuracy(prediction, answers)
        return float(plain(prediction) in map(plain, answers))


@dataclass(frozen=True)
class Coverage:
    """What a vocabulary can answer: its size, the share of questions with no target in it, and the best mean accuracy."""

    answers: int
    out_of_vocabulary: float
    upper_bound: float


class Questions:
    """The examples of VQA; ``blind`` takes the regions away, so that only the question is read."""

    group: ClassVar[int] = 1

    def __init__(
        self, asked: Asked, words: Words, store: RegionStore, answers: Sequence[str], blind: bool = False
    ) -> None:
        self.asked, self.answers, self.store, self.blind = asked, tuple(answers), store, blind
        self.texts = words.encode(asked.questions)
        known = {answer: i for i, answer in enumerate(self.answers)}
        scores = [asked.targets(row, known) for row in range(len(asked))]
        self._begin = np.cumsum([0, *map(len, scores)])
        self._answer = np.array([known[answer] for found in scores for answer in found], np.int64)
        self._score = np.array([score for found in scores for score in found.values()], np.float32)
        self._regions = np.zeros(len(asked), np.int64) if blind else store.counts[store.rows(asked.images)]

    def __len__(self) -> int:
        return len(self.asked)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each pair."""
        total: Rows = np.minimum(self.texts.lengths, max_words) + 2 + np.minimum(self._regions, max_regions)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The questions with their images' regions (or none), and the soft score of every answer [n, A]."""
        images = [] if self.blind else [self.asked.images[row] for row in rows]
        regions = self.store.gather(images)
        if self.blind:
            regions = no_regions(len(rows), regions)
        batch = seats.batch(self.texts.rows(rows), regions, np.ones(len(rows), np.bool_), draw.positions)
        targets = np.zeros((len(rows), len(self.answers)), np.float32)
        for i, row in enumerate(rows):
            part = slice(self._begin[row], self._begin[row + 1])
            targets[i, self._answer[part]] = self._score[part]
        return TaskBatch(VQA.name, batch, torch.from_numpy(targets))

    def metric(self, rows: Rows, chosen: Rows) -> NDArray[np.float64]:
        """The accuracy of the chosen answers."""
        pairs = zip(rows.tolist(), chosen.tolist())
        return np.array([self.asked.accuracy(row, self.answers[answer]) for row, answer in pairs], np.float64)

    def shares(self) -> Float[Tensor, "A"]:
        """The mean score of each answer over the questions: where a head may begin."""
        total = np.bincount(self._answer, self._score, minlength=len(self.answers))
        return torch.from_numpy(total / max(len(self), 1)).float()

    def coverage(self) -> Coverage:
        """What the vocabulary can answer of these questions, those without answers left out."""
        known = set(self.answers)
        best, empty = [], []
        for row, answers in enumerate(self.asked.answers):
            if answers:
                form = vocabulary_form if self.asked.annotated else plain
                usable = {*answers, *map(form, answers)} & known
                best.append(max((self.asked.accuracy(row, answer) for answer in usable), default=0.0))
                empty.append(self._begin[row] == self._begin[row + 1])
        return Coverage(len(known), float(np.mean(empty)) if empty else 0.0, float(np.mean(best)) if best else 0.0)


def plain(answer: str) -> str:
    """An answer of a plain list as it is compared: in lower case, with single spaces."""
    return " ".join(answer.lower().split())
