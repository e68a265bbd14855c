"""Foils: which of two sentences is true of a picture, the one or its twin with one word made false (table ``minimal_pairs``).

The honest test of fusion: both sentences have the same words but one, so that neither the text nor the picture alone decides.
Named after FOIL it! (Shekhar et al., ACL 2017); VALSE (Parcalabescu et al., ACL 2022) asks published systems the same.
"""

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
from iconotext.data.words import TokenTable
from iconotext.models.system import System
from iconotext.models.task import TaskKind
from iconotext.tasks.base import Examples, Rows, Said, Source, TaskBatch, entropy


@dataclass(frozen=True)
class Foils:
    """The true sentence against its foil.

    Head: one score a pair, that of image-text matching to begin with. Group: the true sentence, then the foil, with the same
    picture. Loss: cross entropy of the true one among the two, mean over the groups.
    """

    name: ClassVar[str] = "foils"
    table: ClassVar[str] = "minimal_pairs"

    @property
    def kind(self) -> TaskKind:
        """A score head."""
        return TaskKind(self.name, "score")

    def loss(self, scores: Float[Tensor, "E 2"], micro: TaskBatch) -> Loss:
        """The loss of the groups."""
        return entropy(scores, micro.targets)

    def examples(self, source: Source, split: str, training: bool) -> Twins:
        """The pairs of sentences of a split."""
        return Twins(source, source.read(self.table, split, "image_id"))


@dataclass(frozen=True)
class FoilOptions:
    """Fine-tune a pre-trained model to tell a true sentence from its twin with one word made false."""

    def task(self, source: Source, split: str, page: System) -> Foils:
        """The task, which is the same for every page."""
        return Foils()


class Twins(Examples):
    """Pairs of sentences, each a group of two rows with one picture: the true one, then the foil."""

    figure = "foils, true sentence first"
    group = 2

    def __init__(self, source: Source, rows: list[dict[str, Any]]) -> None:
        self.rows, self.store = rows, source.store
        sentences = [source.words.encode([row[column] for row in rows]) for column in ("text", "swapped")]
        self.lengths_of = sum(table.lengths for table in sentences)
        self.sentences = TokenTable.joined(sentences)
        self.units = [row["image_id"] for row in rows]
        self.kinds = [row["kind"] for row in rows]
        self._regions = self.store.counts[self.store.rows(self.units)]

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of both rows."""
        total: Rows = np.minimum(self.lengths_of, 2 * max_words) + 4 + 2 * np.minimum(self._regions, max_regions)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """Both sentences with their picture, and which one is true [n, 2]."""
        twins = np.stack([rows, rows + len(self)], 1).ravel()
        regions = self.store.gather([self.units[row] for row in rows.repeat(2)])
        matched = np.tile(np.array([True, False]), len(rows))
        batch = seats.batch(self.sentences.rows(twins), regions, matched, draw.positions.repeat(2), 2)
        return TaskBatch(Foils.name, batch, torch.tensor([[1.0, 0.0]]).repeat(len(rows), 1))

    def said(self, rows: Rows, scores: Float[Tensor, "n 2"]) -> Said:
        """The sentence with the higher score, its share, and whether it is the true one; equal scores are half right."""
        true, foil = scores.double().unbind(1)
        accuracy = (true > foil).double() + 0.5 * (true == foil)
        chosen = [self.rows[row]["swapped" if wrong else "text"] for row, wrong in zip(rows, (foil > true).tolist())]
        return {
            "predicted": np.array(chosen, object),
            "score": scores.softmax(1).amax(1).numpy(),
            "accuracy": accuracy.numpy(),
        }

    def columns(self) -> dict[str, Any]:
        """The sentences with their pictures."""
        names = ("pair_id", "image_id", "text", "swapped", "language")
        return {name: [row[name] for row in self.rows] for name in names} | self.kind_column()

    def summary(self) -> str:
        """How many pairs there are."""
        return f"{len(self):,} true sentences, each with its twin with one word made false"
