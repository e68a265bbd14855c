"""From the encoded streams to one vector a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Encoded
from iconotext.nn.streams import Dims


@dataclass(frozen=True)
class FirstToken:
    """The first text token through a linear map and an activation (BERT, UNITER: tanh); ``width`` None is the stream's own."""

    activation: Literal["tanh", "relu"] = "tanh"
    width: int | None = None


@dataclass(frozen=True)
class Product:
    """The first token of each stream through its own linear map and activation to ``width``, multiplied (ViLBERT)."""

    width: int
    activation: Literal["tanh", "relu"] = "relu"


@dataclass(frozen=True)
class Sum:
    """As ``Product``, but added (VOLTA's ``fusion_method`` "sum")."""

    width: int
    activation: Literal["tanh", "relu"] = "relu"


@dataclass(frozen=True)
class Concat:
    """As ``Product``, but one after the other, so that the pooled vector is twice as wide; a missing side is zeros."""

    width: int
    activation: Literal["tanh", "relu"] = "relu"


Pool = FirstToken | Product | Sum | Concat


def pooled_width(pool: Pool, dims: Dims) -> int:
    """The width of the pooled vector."""
    return 2 * pool.width if isinstance(pool, Concat) else pool.width or dims.width["text"]


def first(states: Float[Tensor, "N D"], offsets: Tensor) -> Float[Tensor, "B D"]:
    """The first token of each row; zeros where a row has none."""
    starts, empty = offsets[:-1], _empty(offsets)
    if states.shape[0] == 0:
        return states.new_zeros(starts.numel(), states.shape[1])
    taken = states.index_select(0, starts.clamp(max=states.shape[0] - 1))
    return taken.masked_fill(empty, 0.0) if bool(empty.any()) else taken


def first_two(encoded: Encoded) -> Float[Tensor, "B D"]:
    """The product of the states of each row's first two text tokens: [CLS] and, after the image, [SEP] (Unified VLP)."""
    states, offsets = encoded.text, encoded.text_offsets
    return first(states, offsets) * first(states[1:], offsets)


def _empty(offsets: Int[Tensor, "B1"]) -> Bool[Tensor, "B 1"]:
    return (offsets.diff() == 0)[:, None]


class Pooler(nn.Module):
    """Makes the pooled vector [B, P] that ``pool`` describes."""

    def __init__(self, pool: Pool, dims: Dims) -> None:
        super().__init__()
        width = pool.width or dims.width["text"]
        self.tanh = pool.activation == "tanh"
        self.text = nn.Linear(dims.width["text"], width)
        if not isinstance(pool, FirstToken):
            self.region = nn.Linear(dims.width["region"], width)
        self.pool = pool

    def _activate(self, x: Tensor) -> Tensor:
        return torch.tanh(x) if self.tanh else torch.relu(x)

    def sides(self, encoded: Encoded) -> tuple[Float[Tensor, "B P"], Float[Tensor, "B P"] | None]:
        """The pooled vector of each stream, before they are put together."""
        text = self._activate(self.text(first(encoded.text, encoded.text_offsets)))
        if isinstance(self.pool, FirstToken):
            return text, None
        return text, self._activate(self.region(first(encoded.region, encoded.region_offsets)))

    def forward(self, encoded: Encoded) -> Float[Tensor, "B P"]:
        text, region = self.sides(encoded)
        if region is None:
            return text
        empty = _empty(encoded.region_offsets)
        if isinstance(self.pool, Concat):
            return torch.cat([text, region.masked_fill(empty, 0.0)], dim=1)
        # A row without regions is its text alone: the first token of nothing must not multiply it away.
        return torch.where(empty, text, text * region if isinstance(self.pool, Product) else text + region)
