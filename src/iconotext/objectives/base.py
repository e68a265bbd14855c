"""What an objective is: it corrupts a batch, makes its head, computes its loss as (sum, count).

An objective is a frozen value without state. It draws its random numbers from the batch's ``Draw`` only, leaves its input
alone, and names what it scores by positions in the packed streams, so that its head sees those positions and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Encoded, Loss, map_tensors, row_of
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.transform import Transform
from iconotext.nn.region_embed import RegionEmbedder


@dataclass(frozen=True)
class Negatives:
    """How mismatched pairs are made, when a batch is drawn.

    With probability ``rate`` a row's image or text (``replace``) is exchanged for one of another image, checked against the
    same caption text. Of the exchanged ones the share ``swapped`` is, where the data gives one, the same caption with one
    word made false instead; for the others, of ``alike`` candidates that one is taken whose text has most in common with
    the row's own.
    """

    rate: float = 0.5
    replace: Literal["image", "text"] = "image"
    swapped: float = 0.0
    alike: int = 1


@dataclass(frozen=True)
class Rewrites:
    """How a pair becomes a group of consecutive rows with one image, when a batch is drawn.

    First the text itself, then ``positives`` other texts of the image, then ``negatives``: the text with one word made false,
    where the data gives that, and texts of other images. A batch has fewer groups than it would have pairs, and as many rows.
    """

    positives: int = 1
    negatives: int = 2

    @property
    def group(self) -> int:
        """Rows of a group."""
        return 1 + self.positives + self.negatives


@dataclass(frozen=True)
class Targets:
    """What one objective scores: positions in a packed stream (or rows), the labels or values there, and how many.

    ``count`` is what the loss is averaged over; it is known before the model runs. ``weights`` say how much each position
    counts in the sum (left out: 1).
    """

    positions: Int[Tensor, "P"]
    values: Tensor
    count: float
    weights: Float[Tensor, "*P"] = field(default_factory=lambda: torch.ones(()))


@dataclass(frozen=True)
class Corrupted:
    """A batch as the model sees it, and the targets of each objective by name. This is a micro-batch of training."""

    batch: Batch
    targets: Mapping[str, Targets] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, float]:
        """What each objective's loss is averaged over."""
        return {name: targets.count for name, targets in self.targets.items()}

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
        """The rows' positions in the epoch, by which a log can name them."""
        return [int(position) for position in self.batch.position]

    def to(self, device: torch.device | str) -> Corrupted:
        """The same on another device."""
        return map_tensors(self, lambda tensor: tensor.to(device, non_blocking=True))


@dataclass(frozen=True)
class HeadContext:
    """What a head may be built from: the sizes of the model and the tables that it may be tied to.

    ``shared`` holds what several heads use together; the model owns it.
    """

    text_width: int
    region_width: int
    pooled_width: int
    eps: float
    dropout: float
    words: nn.Embedding
    feature: nn.Linear | None
    feature_dim: int
    classes: int
    attributes: int
    shared: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    regions: RegionEmbedder | None = None

    @property
    def region_transform(self) -> Transform:
        """The hidden step of the region heads that share one, made when the first asks for it."""
        if "region" not in self.shared:
            self.shared["region"] = Transform(self.region_width, self.region_width, self.eps)
        found = self.shared["region"]
        assert isinstance(found, Transform)
        return found


@dataclass(frozen=True)
class View:
    """What a loss may look at: the encoded streams, the pooled rows (made when asked for), and the batch it came from."""

    encoded: Encoded
    pooled: Any
    batch: Batch


@runtime_checkable
class Objective(Protocol):
    """The contract; see ``objectives/mlm.py`` for a whole one on a page."""

    @property
    def name(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def negatives(self) -> Negatives | Rewrites | None: ...

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch with this objective's corruption on top, and its targets, taken from the clean batch."""
        ...

    def head(self, context: HeadContext) -> nn.Module:
        """A new head for this objective."""
        ...

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """The loss over the targets."""
        ...


def scored(sum: Float[Tensor, ""], targets: Targets) -> Loss:
    """A loss over exactly the targets."""
    return Loss(sum, sum.new_tensor(targets.count))


def row_by_row(positions: Int[Tensor, "P"], offsets: Int[Tensor, "B1"]) -> tuple[Float[Tensor, "P"], float]:
    """Weights and count of a mean over rows of each row's mean, as VL-BERT's code has it: both with 1e-4 in the divisor."""
    row = row_of(offsets)[positions]
    many = torch.bincount(row, minlength=offsets.numel() - 1)
    return 1 / (many[row] + 1e-4), float((many > 0).sum()) + 1e-4 * bool(len(row))


def nothing() -> Targets:
    """No targets at all: the loss of an objective that found nothing to score."""
    return Targets(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), 0.0)
