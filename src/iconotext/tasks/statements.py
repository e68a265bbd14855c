"""Statements on a left and a right picture, true or false (NLVR2)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from iconotext.core.batch import Batch, Loss, Text
from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating
from iconotext.data.store import PackedRegions
from iconotext.data.words import TokenTable
from iconotext.heads.tasks import Images
from iconotext.models.system import System
from iconotext.models.task import TaskKind, segments_of
from iconotext.tasks.base import Examples, Measure, Rows, Said, Source, TaskBatch, entropy
from iconotext.tasks.metrics.nlvr2 import consistent, sentence

LABELS = ("False", "True")


@dataclass(frozen=True)
class Statements:
    """Whether a sentence is true of two pictures.

    ``images`` "pair": the sentence with each picture is a row, the two pooled vectors side by side are judged (LXMERT,
    12-in-1, UNITER's paired form). "attention": the two rows attend to each other before (UNITER). "triplet": both pictures'
    regions are in one row (VisualBERT, UNITER's triplet form).
    Loss: cross entropy (12-in-1's code has binary cross entropy of both classes).
    In one row, and where two rows attend to each other, regions of the right picture are in the segment after that of the
    left; where the page has no such segment it begins as a copy of the left one (UNITER).
    """

    name: ClassVar[str] = "statements"
    table: ClassVar[str] = "statements"
    images: Images = "pair"
    hidden: float = 1.0
    segments: tuple[int, ...] = ()

    @property
    def kind(self) -> TaskKind:
        """A head for two classes, which reads one row or two."""
        heads = {"pair": "two", "attention": "attended", "triplet": "class"}
        return TaskKind(self.name, heads[self.images], LABELS, self.hidden, self.images, self.segments)  # type: ignore[arg-type]

    def loss(self, scores: Float[Tensor, "E 2"], micro: TaskBatch) -> Loss:
        """Cross entropy of the label."""
        return entropy(scores, micro.targets)

    def examples(self, source: Source, split: str, training: bool) -> Judged:
        """The statements of a split; those to train on have a label."""
        rows = source.read(self.table, split, "left_image", "right_image")
        return Judged(source, [row for row in rows if not training or row["label"] is not None], self.images)


@dataclass(frozen=True)
class StatementOptions:
    """Fine-tune a pre-trained model to say whether a statement is true of two pictures."""

    images: Images | None = None
    """How the two are read: each in a row (pair), the rows attending to each other (attention), or in one row (triplet)."""

    def task(self, source: Source, split: str, page: System) -> Statements:
        """The task with the page's head."""
        forms = page.downstream
        images = self.images or forms.images
        rows, right = segments_of(page), page.layout.region_segment + 1
        grown = (page.layout.region_segment,) if images != "pair" and rows == right else ()
        return Statements(images, forms.images_hidden if images == "pair" else 0.0, grown)


class Judged(Examples):
    """Statements with the regions of their two pictures."""

    figure = "statements"

    def __init__(self, source: Source, rows: list[dict[str, Any]], images: Images) -> None:
        self.rows, self.store, self.images = rows, source.store, images
        self.texts = source.words.encode([row["text"] for row in rows])
        # A pair of pictures serves several statements and a picture several pairs: the left one is what is drawn.
        self.units = [row["left_image"] for row in rows]
        self.kinds = [row["kind"] for row in rows] if rows and "kind" in rows[0] else []
        sides = [[row["left_image"], row["right_image"]] for row in rows]
        self._pairs = [name for side in sides for name in side]
        self._regions = self.store.counts[self.store.rows(self._pairs)].reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each statement, over its rows."""
        words = np.minimum(self.texts.lengths, max_words) + 2
        total: Rows = words * (1 if self.images == "triplet" else 2) + np.minimum(self._regions, max_regions).sum(1)
        return total

    def pictures(self) -> list[list[str]]:
        """The left and the right image of each statement."""
        return [self._pairs[i : i + 2] for i in range(0, len(self._pairs), 2)]

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The statements with their pictures, and which label is right [n, 2]."""
        regions = self.store.gather([self._pairs[2 * row + side] for row in rows for side in (0, 1)])
        batch = seated(seats, self.texts.rows(rows), regions, draw.positions, self.images)
        labels = torch.tensor([bool(self.rows[row]["label"]) for row in rows], dtype=torch.long)
        return TaskBatch(Statements.name, batch, torch.nn.functional.one_hot(labels, 2).float())

    def said(self, rows: Rows, scores: Float[Tensor, "n 2"]) -> Said:
        """The label with the higher score, its share, and whether it is right."""
        labels = [self.rows[row]["label"] for row in rows]
        chosen = scores.argmax(1).numpy()
        right = [np.nan if label is None else float(label == said) for label, said in zip(labels, chosen)]
        return {
            "predicted": np.array([LABELS[i] for i in chosen], object),
            "score": scores.softmax(1).amax(1).numpy(),
            "accuracy": np.array(right, np.float64),
        }

    def columns(self) -> dict[str, Any]:
        """The statements with their pictures."""
        names = ("statement_id", "left_image", "right_image", "text", "label", "language")
        return {name: [row[name] for row in self.rows] for name in names} | self.kind_column()

    def measures(self, said: Said) -> list[Measure]:
        """Accuracy, and consistency: the share of sentences that are judged right on every pair of pictures."""
        known = ~np.isnan(said["accuracy"])
        sentences = [self._sentence(row) for row, there in zip(self.rows, known) if there]
        whole = consistent(said["accuracy"][known], sentences)
        consistency = Measure("statements, consistency", whole, sorted(set(sentences)))
        return [Measure("statements, accuracy", said["accuracy"], self.units, self.kinds), consistency]

    def _sentence(self, row: dict[str, Any]) -> str:
        """What the examples of one sentence share: NLVR2's identifier without the pair, elsewhere the sentence."""
        try:
            return sentence(row["statement_id"])
        except DataError:
            return str(row["text"])

    def summary(self) -> str:
        """How many statements there are."""
        return f"{len(self):,} statements on two pictures each, read as {self.images}"

    def submission(self, predictions: pa.Table) -> tuple[str, str]:
        """The table of NLVR2's server: an identifier and True or False a line."""
        pairs = zip(predictions["statement_id"].to_pylist(), predictions["predicted"].to_pylist())
        return "nlvr2_results.csv", "".join(f"{name},{label}\n" for name, label in pairs)


def seated(
    seats: Seating, texts: TokenTable, regions: PackedRegions, positions: NDArray[np.int64], images: Images
) -> Batch:
    """Statements with the regions of the left and the right picture of each in turn, read together as ``images`` says."""
    twice = np.arange(len(texts)).repeat(2)
    batch = seats.batch(texts.rows(twice), regions, np.ones(len(twice), np.bool_), positions.repeat(2), 2)
    if images != "pair":
        batch = right_apart(batch)
    return in_one_row(batch, seats.text(texts)) if images == "triplet" else batch


def right_apart(batch: Batch) -> Batch:
    """The regions of every second row in the next segment."""
    region = batch.region
    right = torch.arange(len(batch)).repeat_interleave(region.offsets.diff()) % 2
    return dataclasses.replace(batch, region=dataclasses.replace(region, segment=region.segment + right))


def in_one_row(batch: Batch, text: Text) -> Batch:
    """The regions of every two rows in one, with the words of ``text``."""
    region = dataclasses.replace(batch.region, offsets=batch.region.offsets[::2])
    one = {name: getattr(batch, name)[::2] for name in ("matched", "position", "answers", "phrases")}
    return dataclasses.replace(batch, text=text, region=region, group=1, **one)
