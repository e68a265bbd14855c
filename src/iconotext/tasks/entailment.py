"""Whether a picture entails a sentence, contradicts it, or does neither (SNLI-VE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iconotext.core.batch import Loss
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating
from iconotext.models.system import System
from iconotext.models.task import TaskKind
from iconotext.tasks.base import Examples, Rows, Said, Source, TaskBatch, entropy

LABELS = ("contradiction", "neutral", "entailment")


@dataclass(frozen=True)
class Entailment:
    """One of three labels for a sentence and a picture.

    Head: three classes from the pooled pair. Group: one pair.
    Loss: cross entropy (UNITER and 12-in-1 have binary cross entropy of the three).
    """

    name: ClassVar[str] = "entailment"
    table: ClassVar[str] = "entailment"
    hidden: float = 0.0

    @property
    def kind(self) -> TaskKind:
        """A head for three classes."""
        return TaskKind(self.name, "class", LABELS, self.hidden)

    def loss(self, scores: Float[Tensor, "E 3"], micro: TaskBatch) -> Loss:
        """Cross entropy of the label."""
        return entropy(scores, micro.targets)

    def examples(self, source: Source, split: str, training: bool) -> Sentences:
        """The sentences of a split; those to train on have a label."""
        rows = source.read(self.table, split, "image_id")
        return Sentences(source, [row for row in rows if not training or row["label"] in LABELS])


@dataclass(frozen=True)
class EntailmentOptions:
    """Fine-tune a pre-trained model to say whether a picture entails a sentence, contradicts it, or neither."""

    def task(self, source: Source, split: str, page: System) -> Entailment:
        """The task with the page's head."""
        return Entailment(page.downstream.class_hidden)


class Sentences(Examples):
    """Sentences with the regions of their images; without a label where annotators did not agree on one."""

    figure = "entailment accuracy"

    def __init__(self, source: Source, rows: list[dict[str, Any]]) -> None:
        self.rows, self.store = rows, source.store
        self.texts = source.words.encode([row["text"] for row in rows])
        self.units = [row["image_id"] for row in rows]
        self.kinds = [row["label"] if row["label"] in LABELS else "" for row in rows]
        self._regions = self.store.counts[self.store.rows(self.units)]

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each pair."""
        total: Rows = np.minimum(self.texts.lengths, max_words) + 2 + np.minimum(self._regions, max_regions)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The sentences with their pictures, and which label is right [n, 3]."""
        regions = self.store.gather([self.units[row] for row in rows])
        batch = seats.batch(self.texts.rows(rows), regions, np.ones(len(rows), np.bool_), draw.positions)
        targets = torch.tensor([[float(self.rows[row]["label"] == label) for label in LABELS] for row in rows])
        return TaskBatch(Entailment.name, batch, targets)

    def said(self, rows: Rows, scores: Float[Tensor, "n 3"]) -> Said:
        """The label with the highest score, its share, and whether it is right."""
        predicted = np.array([LABELS[i] for i in scores.argmax(1).tolist()], object)
        labels = [self.rows[row]["label"] for row in rows]
        right = [float(said == label) if label in LABELS else np.nan for said, label in zip(predicted, labels)]
        shares = scores.softmax(1).amax(1).numpy()
        return {"predicted": predicted, "score": shares, "accuracy": np.array(right, np.float64)}

    def columns(self) -> dict[str, Any]:
        """The sentences with their pictures."""
        names = ("entailment_id", "image_id", "text", "label", "language")
        return {name: [row[name] for row in self.rows] for name in names}

    def summary(self) -> str:
        """How many sentences there are."""
        return f"{len(self):,} sentences, each with a picture"
