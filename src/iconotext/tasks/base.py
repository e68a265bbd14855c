"""What a task is: it turns examples into groups of k pairs, and says its head, its loss, its metric, and how to read it.

A ``Task`` is a frozen value, remade from a checkpoint's ``TaskKind``. Its ``Examples`` are the rows of one split. ``k`` pairs
that stand one after the other in a batch form one example (``Batch.group``): 1 for a question, 1 + n for retrieval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from iconotext.core.batch import Batch, Loss, map_tensors
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating
from iconotext.models.task import TaskKind, TaskModel
from iconotext.models.trunk import device_of
from iconotext.train.config import Precision
from iconotext.train.precision import autocast

Rows = NDArray[np.int64]
"""Numbers of examples."""


@dataclass(frozen=True)
class TaskBatch:
    """Examples as the model sees them, and what the loss compares with. This is a micro-batch of fine-tuning.

    ``targets`` [n, ...] has a row an example; every loss is a mean over examples.
    """

    name: str
    batch: Batch
    targets: Tensor

    @property
    def examples(self) -> int:
        """Groups in the batch."""
        return len(self.batch) // self.batch.group

    @property
    def counts(self) -> dict[str, float]:
        """What the task's loss is averaged over."""
        return {self.name: float(self.examples)}

    @property
    def rows(self) -> int:
        """Pairs in the batch."""
        return len(self.batch)

    @property
    def tokens(self) -> int:
        """Real tokens, words and regions."""
        return self.batch.text.ids.numel() + self.batch.region.masked.numel()

    @property
    def ids(self) -> list[int]:
        """The examples' positions in the epoch, by which a log can name them."""
        return [int(position) for position in self.batch.position[:: self.batch.group]]

    def to(self, device: torch.device | str) -> TaskBatch:
        """The same on another device."""
        return map_tensors(self, lambda tensor: tensor.to(device, non_blocking=True))


@runtime_checkable
class Task(Protocol):
    """The contract; see ``tasks/vqa.py`` and ``tasks/retrieval.py``."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> TaskKind:
        """The head that the task asks of a model."""
        ...

    def loss(self, scores: Float[Tensor, "B A"], micro: TaskBatch) -> Loss:
        """The loss over the examples of a micro-batch."""
        ...

    def decode(self, scores: Float[Tensor, "B A"], group: int) -> Int[Tensor, "E"]:
        """What the model chooses for each example, as an index."""
        ...


@runtime_checkable
class Examples(Protocol):
    """The examples of one split."""

    def __len__(self) -> int: ...

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each example, over its whole group: what the sampler sorts by."""
        ...

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """Some examples as groups of pairs; what is random comes from ``draw``."""
        ...

    def metric(self, rows: Rows, chosen: Rows) -> NDArray[np.float64]:
        """How right each choice is, from 0 to 1; NaN where nobody knows."""
        ...


def predict(
    model: TaskModel, examples: Examples, rows: Rows, seats: Seating, precision: Precision, chunk: int = 256
) -> Iterator[tuple[Rows, Float[Tensor, "B A"]]]:
    """The scores of some examples, in chunks of similar length, each with the numbers of its examples.

    The model is taken as it is: put it in evaluation mode before.
    """
    device = device_of(model)
    lengths = examples.lengths(seats.max_words, seats.max_regions)
    order = rows[np.argsort(lengths[rows], kind="stable")]
    for begin in range(0, len(order), chunk):
        chosen = order[begin : begin + chunk]
        micro = examples.batch(chosen, Draw(0, 0, chosen), seats).to(device)
        with torch.no_grad(), autocast(precision, device):
            scores = model(micro.batch)
        yield chosen, scores.float().cpu()
