"""Questions on pictures, answered by a choice among the answers that are frequent in training.

With the answers of ten annotators everything is as published: the vocabulary of normalised majority answers, soft targets,
official accuracy. With a plain list of right answers each of them counts 1, and letters' case and white space do not matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from iconotext.core.batch import Loss
from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.models.system import System
from iconotext.models.task import TaskKind
from iconotext.tasks.base import Examples, Rows, Said, Source, TaskBatch, each_on_its_own
from iconotext.tasks.metrics.vqa import ANNOTATORS, accuracy, majority, soft_targets, vocabulary, vocabulary_form


@dataclass(frozen=True)
class VQA:
    """Sigmoid of each answer against its soft score.

    Head: answers from the pooled pair. Group: one pair.
    Loss: binary cross entropy, summed over the answers, mean over the questions: what UNITER and ViLBERT write as the mean
    over both times the number of answers.
    """

    name: ClassVar[str] = "vqa"
    table: ClassVar[str] = "vqa"
    answers: tuple[str, ...]

    @property
    def kind(self) -> TaskKind:
        """An answer head."""
        return TaskKind(self.name, "answer", self.answers)

    def loss(self, scores: Float[Tensor, "B A"], micro: TaskBatch) -> Loss:
        """Summed binary cross entropy of the questions."""
        return each_on_its_own(scores, micro.targets)

    def examples(self, source: Source, split: str, training: bool) -> Questions:
        """The questions of a split; those to train on have an answer."""
        asked = Asked.read(source.data, split, source.store, source.language)
        return Questions(asked.answered() if training else asked, source.words, source.store, self.answers)


@dataclass(frozen=True)
class VqaOptions:
    """Fine-tune a pre-trained model to answer questions on pictures."""

    min_count: int = 3
    """Training questions that an answer needs to be one of those that the model can give."""

    def task(self, source: Source, split: str, page: System) -> VQA:
        """The task with the answers that are frequent enough in a split."""
        asked = Asked.read(source.data, split, source.store, source.language).answered()
        return VQA(asked.vocabulary(self.min_count))


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


class Questions(Examples):
    """The examples of VQA."""

    task: ClassVar[str] = VQA.name
    figure = "VQA accuracy"

    def __init__(self, asked: Asked, words: Words, store: RegionStore, answers: Sequence[str]) -> None:
        self.asked, self.answers, self.store = asked, tuple(answers), store
        self.units, self.kinds = asked.images, asked.kinds
        self.texts = words.encode(asked.questions)
        known = {answer: i for i, answer in enumerate(self.answers)}
        scores = [asked.targets(row, known) for row in range(len(asked))]
        self._begin = np.cumsum([0, *map(len, scores)])
        self._answer = np.array([known[answer] for found in scores for answer in found], np.int64)
        self._score = np.array([score for found in scores for score in found.values()], np.float32)
        self._regions = store.counts[store.rows(asked.images)]

    def __len__(self) -> int:
        return len(self.asked)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each pair."""
        total: Rows = np.minimum(self.texts.lengths, max_words) + 2 + np.minimum(self._regions, max_regions)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The questions with their images' regions, and the soft score of every answer [n, A]."""
        regions = self.store.gather([self.asked.images[row] for row in rows])
        batch = seats.batch(self.texts.rows(rows), regions, np.ones(len(rows), np.bool_), draw.positions)
        targets = np.zeros((len(rows), len(self.answers)), np.float32)
        for i, row in enumerate(rows):
            part = slice(self._begin[row], self._begin[row + 1])
            targets[i, self._answer[part]] = self._score[part]
        return TaskBatch(self.task, batch, torch.from_numpy(targets))

    def said(self, rows: Rows, scores: Float[Tensor, "n A"]) -> Said:
        """The answer with the highest score, its score in 0-1, and its accuracy."""
        predicted = [self.answers[answer] for answer in scores.argmax(1).tolist()]
        right = [self.asked.accuracy(row, answer) for row, answer in zip(rows.tolist(), predicted)]
        best = scores.sigmoid().amax(1).numpy()
        return {"predicted": np.array(predicted, object), "score": best, "accuracy": np.array(right, np.float64)}

    def columns(self) -> dict[str, Any]:
        """The questions with their answers."""
        asked = self.asked
        return {
            "question_id": asked.ids,
            "image_id": asked.images,
            "question": asked.questions,
            "answers": pa.array(asked.answers, pa.list_(pa.string())),
            "kind": asked.kinds,
            "language": asked.languages,
        }

    def about(self) -> dict[str, Any]:
        """What the vocabulary covers."""
        return {"coverage": asdict(self.coverage())}

    def summary(self) -> str:
        """How many questions and answers there are, and what can be right at best."""
        covers = self.coverage()
        return (
            f"{len(self):,} questions, {covers.answers:,} answers; {covers.out_of_vocabulary:.1%} have none of these, so at "
            f"best {covers.upper_bound:.1%} can be right"
        )

    def submission(self, predictions: pa.Table) -> tuple[str, str]:
        """The list of results that the VQA server takes."""
        pairs = zip(predictions["question_id"].to_pylist(), predictions["predicted"].to_pylist())
        rows = [{"question_id": int(name) if name.isdigit() else name, "answer": answer} for name, answer in pairs]
        return "vqa_results.json", json.dumps(rows, ensure_ascii=False)

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
