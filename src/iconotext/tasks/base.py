"""What a task is: it turns examples into groups of k pairs, and says its head, its loss, its metric, and how to read it.

A ``Task`` is a frozen value, remade from a checkpoint's ``TaskKind``. Its ``Examples`` are the rows of one split. ``k`` pairs
that stand one after the other in a batch form one example (``Batch.group``): 1 for a question, 1 + n for retrieval. A model
gives each example a row of scores: a column an answer, a pair of the group, or a region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss, map_tensors
from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating, Sees
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.models.system import System
from iconotext.models.task import TaskKind, TaskModel
from iconotext.models.trunk import device_of
from iconotext.tasks.beam import GREEDY, Search
from iconotext.tasks.metrics.intervals import Figure, figure, percentiles
from iconotext.train.config import Precision
from iconotext.train.precision import autocast

Rows = NDArray[np.int64]
"""Numbers of examples."""


@dataclass(frozen=True)
class TaskBatch:
    """Examples as the model sees them, and what the loss compares with. This is a micro-batch of fine-tuning.

    ``targets`` [n, ...] has a row an example, and every loss is a mean over examples; where words are scored it is words.
    """

    name: str
    batch: Batch
    targets: Tensor

    @property
    def examples(self) -> int:
        """What the loss is a mean over: groups of the batch, or words that are scored."""
        return len(self.targets)

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


@dataclass(frozen=True)
class Source:
    """Where examples come from: a data set with its regions, in one language or (with "") in all."""

    data: DataSet
    store: RegionStore
    words: Words
    language: str = ""

    def read(self, table: str, split: str, *images: str) -> list[dict[str, Any]]:
        """The rows of a table whose images, by the columns named, have regions.

        Raises:
            DataError: there are none.
        """
        rows: list[dict[str, Any]] = self.data.table(table, split).to_pylist()
        wanted = [row for row in rows if not self.language or row["language"] == self.language]
        found = [row for row in wanted if all(row[image] in self.store for image in images)]
        if not found:
            raise DataError(
                f"{self.data.path}: none of the {len(rows)} rows of {table!r}, split {split!r}, has regions in "
                f"{self.store.path}. Extract regions of this data set, or name the right store or language."
            )
        return found

    def has(self, table: str, split: str) -> bool:
        """Whether a table has rows of a split."""
        return bool(self.data.info["splits"].get(split, {}).get(table))


@dataclass(frozen=True)
class Measure:
    """A figure in the making: a value of each case, in 0-1 for most (NaN where nobody knows), and its unit.

    ``units`` are what was drawn independently, for the interval; ``kinds`` (empty where there are none) break the figure down:
    a case is of one kind, of several, or of none (""). ``together`` is the figure of some cases, by their numbers, where that
    is not the mean of their values; each case is a unit then.
    """

    name: str
    values: NDArray[np.float64]
    units: Sequence[str]
    kinds: Sequence[str | tuple[str, ...]] = ()
    together: Callable[[Rows], float] | None = None

    def figure(self, name: str, where: NDArray[np.bool_], seed: int) -> Figure:
        """The figure of some of the cases with its interval."""
        if self.together is None or not where.any():
            return figure(name, self.values[where], np.array(self.units)[where], seed)
        cases, together = np.flatnonzero(where), self.together
        low, high = percentiles(lambda drawn: together(cases[drawn]), len(cases), seed, name)
        return Figure(name, together(cases), float(low), float(high), len(cases))

    def parts(self) -> dict[str, NDArray[np.bool_]]:
        """Which cases are of each kind, in order of the kinds."""
        each = [{kinds} if isinstance(kinds, str) else set(kinds) for kinds in self.kinds]
        return {kind: np.array([kind in own for own in each]) for kind in sorted(set().union(*each) - {""})}


Said = Mapping[str, NDArray[Any]]
"""What a model said of some examples, a column each: "predicted", "score" and "accuracy", and whatever a task adds."""


@runtime_checkable
class Examples(Protocol):
    """The examples of one split."""

    figure: str
    """What is measured of them, in plain words."""
    units: Sequence[str]
    """What was drawn independently, such as the image of each example."""
    kinds: Sequence[str]
    """The kind of each example; empty where there are none."""
    group: int = 1
    """Pairs of one example."""
    sees: tuple[Sees, ...] = ("both", "text", "picture")
    """What a model may be shown of them."""

    def __len__(self) -> int: ...

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each example, over its whole group: what the sampler sorts by."""
        ...

    def pictures(self) -> Sequence[Sequence[str]]:
        """The images that each example shows."""
        return [(unit,) for unit in self.units]

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """Some examples as groups of pairs; what is random comes from ``draw``."""
        ...

    def ask(
        self,
        model: TaskModel,
        rows: Rows,
        seats: Seating,
        precision: Precision,
        chunk: int = 256,
        search: Search = GREEDY,
    ) -> Iterator[tuple[Rows, Said]]:
        """What a model says of some examples, in chunks of about ``chunk`` pairs, each with its examples' numbers.

        It reads the scores of each, by ``said``. Examples whose answer is written word by word say here how, in place of that;
        ``search`` is for them.
        """
        for chosen, scores in predict(model, self, rows, seats, precision, chunk):
            yield chosen, self.said(chosen, scores)

    def said(self, rows: Rows, scores: Float[Tensor, "n *A"]) -> Said:
        """What some examples' scores say, and in "accuracy" how right that is, from 0 to 1; NaN where nobody knows.

        Raises:
            TypeError: no scores tell it, as where the answer is written.
        """
        raise TypeError(f"{type(self).__name__} have no scores that say something.")

    def columns(self) -> dict[str, Any]:
        """The examples as columns of a table."""
        ...

    def kind_column(self) -> dict[str, Any]:
        """The kinds as a column of a table, where there are any."""
        return {"kind": list(self.kinds)} if len(self.kinds) else {}

    def measures(self, said: Said) -> list[Measure]:
        """The figures, of what was said of all the examples."""
        return [Measure(self.figure, said["accuracy"], self.units, self.kinds)]

    def about(self) -> dict[str, Any]:
        """What is worth a note in a run or an evaluation."""
        return {}

    def summary(self) -> str:
        """What a person is told before training."""
        return f"{len(self):,} examples"

    def shares(self) -> Float[Tensor, "A"] | None:
        """The share of each answer, where a new head may begin; None where that makes no sense."""
        return None

    def submission(self, predictions: pa.Table) -> tuple[str, str] | None:
        """Name and content of the file that the task's official server takes; None where there is none."""
        return None


@runtime_checkable
class Task(Protocol):
    """The contract; ``tasks/entailment.py`` is the smallest."""

    @property
    def name(self) -> str: ...

    @property
    def table(self) -> str:
        """The table of the data set that it reads."""
        ...

    @property
    def kind(self) -> TaskKind:
        """The head that the task asks of a model."""
        ...

    def loss(self, scores: Float[Tensor, "E *A"], micro: TaskBatch) -> Loss:
        """The loss over the examples of a micro-batch."""
        ...

    def examples(self, source: Source, split: str, training: bool) -> Examples:
        """The examples of a split; those to train on all have an answer."""
        ...


@runtime_checkable
class TaskOptions(Protocol):
    """What a user may say of a task: its fields are flags of ``iconotext finetune``; where they say None, the page decides."""

    def task(self, source: Source, split: str, page: System) -> Task:
        """The task to fine-tune ``page`` for, on the examples of a split."""
        ...


def lists(values: Sequence[Any]) -> NDArray[Any]:
    """Lists as the elements of one array, also where they are equally long."""
    out = np.empty(len(values), object)
    for i, found in enumerate(values):
        out[i] = found
    return out


def predict(
    model: TaskModel, examples: Examples, rows: Rows, seats: Seating, precision: Precision, chunk: int = 256
) -> Iterator[tuple[Rows, Float[Tensor, "n *A"]]]:
    """The scores of some examples, in chunks of about ``chunk`` pairs of similar length, each with its examples' numbers.

    The model is taken as it is: put it in evaluation mode before.
    """
    device = device_of(model)
    for chosen, batch in chunks(examples, rows, seats, chunk // examples.group):
        with torch.no_grad(), autocast(precision, device):
            scores = model(batch.to(device))
        yield chosen, scores.float().cpu()


def chunks(examples: Examples, rows: Rows, seats: Seating, size: int) -> Iterator[tuple[Rows, Batch]]:
    """Some examples in batches of ``size`` (at least one) of similar length, each with its examples' numbers."""
    lengths, size = examples.lengths(seats.most_words, seats.most_regions), max(1, size)
    order = rows[np.argsort(lengths[rows], kind="stable")]
    for begin in range(0, len(order), size):
        chosen = order[begin : begin + size]
        yield chosen, examples.batch(chosen, Draw(0, 0, chosen), seats).batch


def entropy(scores: Float[Tensor, "E A"], targets: Float[Tensor, "E A"]) -> Loss:
    """Cross entropy of each example's right column (the largest target) among its scores; -inf is no column at all."""
    chosen = targets.argmax(1, keepdim=True)
    each = scores.float().logsumexp(1) - scores.float().gather(1, chosen)[:, 0]
    return Loss(each.sum(), each.new_tensor(float(len(targets))))


def each_on_its_own(scores: Float[Tensor, "E A"], targets: Float[Tensor, "E A"]) -> Loss:
    """Binary cross entropy of every score against its target, summed over an example's columns; -inf is no column at all."""
    there = scores.isfinite()
    total = nn.functional.binary_cross_entropy_with_logits(scores[there].float(), targets[there], reduction="sum")
    return Loss(total, total.new_tensor(float(len(targets))))


LOSSES = {"softmax": entropy, "sigmoid": each_on_its_own}
"""By the name that a page's ``Downstream`` gives the form."""
