"""A batch is packed: the real tokens of all rows one after the other, and offsets that say where each row begins.

There is no padding to mask, to compute or to leak. An empty stream has length zero, never ``None``. In shapes, ``B1`` stands
for B + 1: where each of B rows begins, and the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

T = TypeVar("T")

END = -1
"""The id of the token [END], which some systems put after the regions: it stands outside of the vocabulary."""
TASK = -2
"""The token of task k has the id ``TASK`` - k: it stands outside of the vocabulary as well."""


def map_tensors(value: T, function: Callable[[Tensor], Tensor]) -> T:
    """The same value with ``function`` applied to every tensor in its dataclasses and dicts, at any depth."""
    if isinstance(value, Tensor):
        return function(value)  # type: ignore[return-value]
    if isinstance(value, dict):
        return {key: map_tensors(item, function) for key, item in value.items()}  # type: ignore[return-value]
    if not dataclasses.is_dataclass(value):
        return value
    return dataclasses.replace(
        value,  # type: ignore[type-var]
        **{f.name: map_tensors(getattr(value, f.name), function) for f in dataclasses.fields(value)},
    )


def offsets_of(lengths: Int[Tensor, "B"]) -> Int[Tensor, "B+1"]:
    """Where each row begins, and the total at the end."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def row_of(offsets: Int[Tensor, "B1"]) -> Int[Tensor, "N"]:
    """The row that each packed token belongs to."""
    rows = torch.arange(offsets.numel() - 1, device=offsets.device)
    return rows.repeat_interleave(offsets.diff())


@dataclass(frozen=True)
class Text:
    """The words of the rows: ids with their position and segment, and what may be masked.

    ``word`` numbers the words of the batch (pieces of one word share a number); ``special`` marks [CLS], [SEP] and the like,
    which no objective masks. ``link`` names the region of the row that a word refers to, -1 for none. ``source`` marks the
    words that the pattern "seq2seq" counts to its source, as it does the regions; ``None`` stands for no word.
    """

    ids: Int[Tensor, "N"]
    position: Int[Tensor, "N"]
    segment: Int[Tensor, "N"]
    word: Int[Tensor, "N"]
    special: Bool[Tensor, "N"]
    link: Int[Tensor, "N"]
    offsets: Int[Tensor, "B1"]
    source: Bool[Tensor, "N"] | None = None


@dataclass(frozen=True)
class Region:
    """The regions of the rows.

    ``boxes`` are pixels, ``location`` what the system's location encoding makes of them, ``class_probs`` the detector's soft
    label (width 0 where the store has none), ``attributes`` its attribute id (-1 for none), ``attribute_scores`` how sure it
    is of that (left out: 1). ``masked`` marks what an objective has hidden: nothing ever looks for an all-zero feature.
    ``whole`` marks the token of the whole image.
    ``linked`` are the positions of the words that the data says name the region, -1 for none; of width 0 without such data.
    """

    features: Float[Tensor, "M F"]
    boxes: Float[Tensor, "M 4"]
    location: Float[Tensor, "M L"]
    segment: Int[Tensor, "M"]
    class_probs: Float[Tensor, "M C"]
    attributes: Int[Tensor, "M"]
    attribute_scores: Float[Tensor, "M"] = field(default_factory=lambda: torch.zeros(0), kw_only=True)
    masked: Bool[Tensor, "M"]
    whole: Bool[Tensor, "M"]
    linked: Int[Tensor, "M A"] = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.long), kw_only=True)
    offsets: Int[Tensor, "B1"]

    def __post_init__(self) -> None:
        if not self.linked.numel():
            object.__setattr__(self, "linked", self.segment.new_zeros(self.segment.numel(), 0))
        if self.attribute_scores.shape != self.segment.shape:
            object.__setattr__(self, "attribute_scores", torch.ones_like(self.segment, dtype=torch.float32))


def some_tokens(part: T, index: Int[Tensor, "P"], offsets: Int[Tensor, "B1"]) -> T:
    """Some tokens of a ``Text`` or ``Region`` in the order given, in rows that begin at ``offsets``."""
    tokens = ((f.name, getattr(part, f.name)) for f in dataclasses.fields(part) if f.name != "offsets")  # type: ignore[arg-type]
    taken = {name: value if value is None else value.index_select(0, index) for name, value in tokens}
    return dataclasses.replace(part, **taken, offsets=offsets)  # type: ignore[type-var]


@dataclass(frozen=True)
class Batch:
    """B rows, each a text and the regions of one image.

    ``matched`` is False where the text and the image were put together on purpose to be told apart; ``position`` is the row's
    global position in the epoch. ``group`` is the number of consecutive rows that form one example (1 for pre-training).
    ``hidden_read`` False: no token reads a hidden region, itself included.
    ``answers`` numbers the answer where the text is a question, -1 where there is none (left out: everywhere).
    ``scored`` are the packed words of which a head over the vocabulary is asked (left out: none).
    ``phrases`` are the packed words at which the phrases of each row are read, -1 where a row has no more (left out: none).
    """

    text: Text
    region: Region
    matched: Bool[Tensor, "B"]
    position: Int[Tensor, "B"]
    pattern: str = "full"
    hidden_read: bool = True
    group: int = 1
    answers: Int[Tensor, "B"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    scored: Int[Tensor, "W"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    phrases: Int[Tensor, "B P"] = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.long))

    def __post_init__(self) -> None:
        if self.answers.shape != self.position.shape:
            object.__setattr__(self, "answers", torch.full_like(self.position, -1))
        if len(self.phrases) != len(self.position):
            object.__setattr__(self, "phrases", self.position.new_zeros(len(self.position), 0))

    def __len__(self) -> int:
        return self.matched.numel()

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return map_tensors(self, lambda tensor: tensor.to(device, non_blocking=True))


@dataclass(frozen=True)
class Encoded:
    """What the encoder makes of a batch: one vector for each real token of each stream, packed as they came in."""

    text: Float[Tensor, "N Dt"]
    region: Float[Tensor, "M Dr"]
    text_offsets: Int[Tensor, "B1"]
    region_offsets: Int[Tensor, "B1"]


@dataclass(frozen=True)
class Loss:
    """A loss as its sum and what it was summed over, so that parts of a batch add up exactly.

    ``count`` is known before the model runs; ``sum / count`` is the mean that a paper states.
    """

    sum: Float[Tensor, ""]
    count: Float[Tensor, ""]

    @property
    def mean(self) -> Float[Tensor, ""]:
        """Sum over count; 0 where nothing was counted."""
        return self.sum / self.count.clamp(min=1e-12)
