"""Referring expressions: which region of a picture a description means.

The candidates are the regions of the store: the objects' own boxes where it was made with `--detector boxes`, those that were
found otherwise. Never compare figures of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iconotext.core.batch import Loss
from iconotext.core.boxes import iou
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating
from iconotext.heads.tasks import Options
from iconotext.models.system import System
from iconotext.models.task import TaskKind
from iconotext.tasks.base import LOSSES, Examples, Rows, Said, Source, TaskBatch
from iconotext.tasks.metrics.boxes import OFFICIAL, from_corners, hits

ENOUGH = 0.5
"""The IoU from which a region is the right one in training."""


@dataclass(frozen=True)
class Expressions:
    """A score of each region.

    Head: one number from a region's state. Group: one pair.
    Loss: "softmax": cross entropy of the region that covers the object best among all (UNITER). "sigmoid": binary cross entropy
    of each region, its target the IoU with the object where that is 0.5 or more, else 0; summed over the regions (ViLBERT).
    Both are means over the expressions.
    The token of the whole image is no candidate (for ViLBERT's code it is one), and expressions are left out of training
    whose object no region covers (tests/unit/tasks/test_expressions.py).
    """

    name: ClassVar[str] = "expressions"
    table: ClassVar[str] = "expressions"
    form: Options = "sigmoid"
    hidden: float = 0.0

    @property
    def kind(self) -> TaskKind:
        """A region head."""
        return TaskKind(self.name, "region", hidden=self.hidden, form=self.form)

    def loss(self, scores: Float[Tensor, "E R"], micro: TaskBatch) -> Loss:
        """The loss of the expressions; 0 where no regions are shown, so that there is nothing to choose."""
        if not scores.shape[1]:
            return Loss(scores.float().sum(), torch.tensor(float(micro.examples), device=scores.device))
        return LOSSES[self.form](scores, micro.targets)

    def examples(self, source: Source, split: str, training: bool) -> Described:
        """The expressions of a split; those to train on mean something that a region covers."""
        return Described(source, source.read(self.table, split, "image_id"), training)


@dataclass(frozen=True)
class ExpressionOptions:
    """Fine-tune a pre-trained model to find the region that a description means."""

    loss: Options | None = None
    """softmax: one region among all; sigmoid: a yes or no of each."""

    def task(self, source: Source, split: str, page: System) -> Expressions:
        """The task with the page's head."""
        return Expressions(self.loss or page.downstream.regions, page.downstream.region_hidden)


class Described(Examples):
    """Expressions with the regions of their images."""

    figure = "referring expressions, IoU 0.5"

    def __init__(self, source: Source, rows: list[dict[str, Any]], training: bool) -> None:
        store, kept = source.store, []
        self.overlaps: list[Float[Tensor, "R"]] = []
        for row in rows:
            boxes = torch.from_numpy(np.array(store.get(row["image_id"]).boxes, np.float32))
            overlap = iou(boxes, torch.tensor(row["box"])[None])[:, 0]
            if not training or bool((overlap >= ENOUGH).any()):
                kept.append(row)
                self.overlaps.append(overlap)
        self.rows, self.store, self.left_out = kept, store, len(rows) - len(kept)
        self.texts = source.words.encode([row["text"] for row in kept])
        self.units = [row["image_id"] for row in kept]
        self.kinds = [row["kind"] for row in kept] if "kind" in rows[0] else []
        self._regions = store.counts[store.rows(self.units)] if kept else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each pair."""
        total: Rows = np.minimum(self.texts.lengths, max_words) + 2 + np.minimum(self._regions, max_regions)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The expressions with their regions, and how well each region covers what is meant [n, R], 0 where not enough."""
        regions = self.store.gather([self.units[row] for row in rows])
        batch = seats.batch(self.texts.rows(rows), regions, np.ones(len(rows), np.bool_), draw.positions)
        overlaps = [self.overlaps[row][: seats.most_regions] for row in rows]
        targets = torch.nn.utils.rnn.pad_sequence(overlaps, batch_first=True)
        return TaskBatch(Expressions.name, batch, targets * (targets >= ENOUGH))

    def said(self, rows: Rows, scores: Float[Tensor, "n R"]) -> Said:
        """The box of the region with the highest score, and whether it is the right one by the official rule.

        A model that sees no regions guesses: its accuracy is the share of right ones.
        """
        right = [self._right(row) for row in rows.tolist()]
        if not scores.shape[1]:
            guessed = np.array([share.mean() if len(share) else 0.0 for share in right])
            return {"predicted": np.zeros((len(rows), 4)), "score": np.zeros(len(rows)), "accuracy": guessed}
        best, chosen = scores.max(1)
        pairs = list(zip(rows.tolist(), chosen.tolist(), right))
        return {
            "predicted": np.array([self._boxes(row)[region] for row, region, _ in pairs], np.float64),
            "score": best.numpy(),
            "accuracy": np.array([share[region] for _, region, share in pairs]),
        }

    def _boxes(self, row: int) -> Float[np.ndarray, "R 4"]:
        return np.asarray(self.store.get(self.units[row]).boxes, np.float64)

    def _right(self, row: int) -> Float[np.ndarray, "R"]:
        boxes = from_corners(self._boxes(row))
        target = from_corners(np.array([self.rows[row]["box"]], np.float64))
        return hits(boxes, np.broadcast_to(target, boxes.shape), OFFICIAL).astype(np.float64)

    def columns(self) -> dict[str, Any]:
        """The expressions with the boxes that they mean."""
        names = ("expression_id", "image_id", "text", "box", "language")
        return {name: [row[name] for row in self.rows] for name in names} | self.kind_column()

    def about(self) -> dict[str, Any]:
        """The best possible accuracy with these regions, and the rule of a hit."""
        best = [self._right(row).max(initial=0.0) for row in range(len(self))]
        return {
            "upper_bound": float(np.mean(best)),
            "boxes": self.store.fingerprint.boxes,
            "convention": OFFICIAL,
            "left_out": self.left_out,
        }

    def summary(self) -> str:
        """How many expressions there are."""
        return f"{len(self):,} expressions; {self.left_out:,} left out, whose object no region covers"
