"""GQA: questions with one answer each, and figures that ask whether a model's answers agree with each other and make sense."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from torch import Tensor

from iconotext.core.batch import Loss
from iconotext.core.errors import DataError
from iconotext.data.sources.published.gqa import Choices, GqaQuestion
from iconotext.models.system import System
from iconotext.models.task import TaskKind
from iconotext.tasks.base import Measure, Rows, Said, Source, TaskBatch, each_on_its_own
from iconotext.tasks.metrics.gqa import judge
from iconotext.tasks.metrics.vqa import vocabulary
from iconotext.tasks.vqa import Asked, Questions


@dataclass(frozen=True)
class GQA:
    """As VQA, with the answers of GQA's training questions, compared letter by letter.

    Head: answers from the pooled pair. Group: one pair.
    Loss: binary cross entropy, summed over the answers, mean over the questions (LXMERT, 12-in-1).
    """

    name: ClassVar[str] = "gqa"
    table: ClassVar[str] = "gqa"
    answers: tuple[str, ...]

    @property
    def kind(self) -> TaskKind:
        """An answer head."""
        return TaskKind(self.name, "answer", self.answers)

    def loss(self, scores: Float[Tensor, "E A"], micro: TaskBatch) -> Loss:
        """Summed binary cross entropy of the questions."""
        return each_on_its_own(scores, micro.targets)

    def examples(self, source: Source, split: str, training: bool) -> GqaQuestions:
        """The questions of a split; those to train on have an answer."""
        rows = source.read(self.table, split, "image_id")
        return GqaQuestions([row for row in rows if row["answer"] or not training], source, self.answers)


@dataclass(frozen=True)
class GqaOptions:
    """Fine-tune a pre-trained model to answer GQA's questions."""

    min_count: int = 1
    """Training questions that an answer needs to be one of those that the model can give."""

    def task(self, source: Source, split: str, page: System) -> GQA:
        """The task with the answers of a split."""
        rows = source.read(GQA.table, split, "image_id")
        answers = vocabulary(({row["answer"]} for row in rows if row["answer"]), self.min_count)
        if not answers:
            raise DataError(
                f"No answer is given to {self.min_count} of the {len(rows)} questions: a smaller --min-count."
            )
        return GQA(answers)


class GqaQuestions(Questions):
    """The questions of GQA."""

    task = GQA.name
    figure = "GQA accuracy"

    def __init__(self, rows: list[dict[str, Any]], source: Source, answers: tuple[str, ...]) -> None:
        self.rows = rows
        names = ("question_id", "image_id", "question", "answer", "structural", "language")
        ids, images, questions, right, kinds, languages = ([row[name] or "" for row in rows] for name in names)
        asked = Asked(ids, images, questions, [[answer] if answer else [] for answer in right], kinds, languages)
        super().__init__(asked, source.words, source.store, answers)

    def said(self, rows: Rows, scores: Float[Tensor, "n A"]) -> Said:
        """As of any question, with the official accuracy: letter by letter."""
        found = super().said(rows, scores)
        right = [self.rows[row]["answer"] for row in rows]
        accuracy = [float(said == answer) if answer else np.nan for said, answer in zip(found["predicted"], right)]
        return {**found, "accuracy": np.array(accuracy, np.float64)}

    def measures(self, said: Said) -> list[Measure]:
        """The official figures over the balanced questions: accuracy by type, and the others where the data has them."""
        known = {row["question_id"]: _question(row) for row in self.rows if row["answer"]}
        predictions = dict(zip(self.asked.ids, said["predicted"]))
        choices = {
            row["question_id"]: Choices(tuple(row["valid"]), tuple(row["plausible"]))
            for row in self.rows
            if row["valid"] is not None and row["plausible"] is not None
        }
        found = judge(known, predictions, choices if choices.keys() >= known.keys() else None)
        units = [question.image_id for question in found.questions]
        kinds = [question.structural for question in found.questions]
        measures = [Measure(self.figure, found.right, units, kinds)]
        others = {"consistency": found.consistency, "validity": found.valid, "plausibility": found.plausible}
        return measures + [Measure(f"GQA {name}", each, units) for name, each in others.items() if each is not None]

    def submission(self, predictions: pa.Table) -> tuple[str, str]:
        """The list of predictions that the GQA server takes."""
        pairs = zip(predictions["question_id"].to_pylist(), predictions["predicted"].to_pylist())
        rows = [{"questionId": name, "prediction": answer} for name, answer in pairs]
        return "gqa_predictions.json", json.dumps(rows, ensure_ascii=False)


def _question(row: dict[str, Any]) -> GqaQuestion:
    names = ("question_id", "image_id", "question", "answer", "balanced", "structural", "semantic", "detailed", "group")
    return GqaQuestion(**{name: row[name] for name in names}, steps=row["steps"], entailed=tuple(row["entailed"]))
