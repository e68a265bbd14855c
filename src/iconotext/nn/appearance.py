"""What a region looks like and where it is, as one vector that words may carry too (VL-BERT)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from iconotext.core.batch import END, Batch, Region, row_of
from iconotext.nn.dropout import Dropout
from iconotext.nn.streams import Dims
from iconotext.nn.terms import LOCATION_WIDTH, Appearance, WholeImage


def sines_and_cosines(numbers: Float[Tensor, "M L"], count: int) -> Float[Tensor, "M W"]:
    """``count`` sines, then as many cosines, of each number over 1000 ** (i / count) (VL-BERT, common/utils/bbox.py)."""
    divisor = 1000 ** (torch.arange(count, dtype=numbers.dtype, device=numbers.device) / count)
    angles = numbers[..., None] / divisor
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)


class AppearanceMap(nn.Module):
    """The vector of an ``Appearance`` term, [M, ``width``], before any stream takes it."""

    def __init__(self, term: Appearance, dims: Dims, feature_dim: int) -> None:
        super().__init__()
        self.sines = term.sines
        self.width = term.width or dims.width["region"]
        self.hidden = nn.Parameter(torch.zeros(1, feature_dim))
        self.drop = Dropout(dims.dropout)
        self.linear = nn.Linear(LOCATION_WIDTH[term.kind] * 2 * term.sines + feature_dim, self.width)

    def forward(self, region: Region) -> Float[Tensor, "M W"]:
        features = region.features.to(self.linear.weight.dtype)
        features = torch.where(region.masked[:, None], self.hidden.to(features.dtype), features)
        place = sines_and_cosines(region.location, self.sines).to(features.dtype)
        return torch.relu(self.linear(self.drop(torch.cat([place, features], dim=1))))


class BeginningNorm(nn.LayerNorm):
    """A layer norm whose weight begins at ``begin``: at 0 it says nothing until it has learned to."""

    def __init__(self, width: int, eps: float, begin: float) -> None:
        self.begin = begin
        super().__init__(width, eps=eps)

    def reset_parameters(self) -> None:
        """Weight ``begin``, bias 0."""
        nn.init.constant_(self.weight, self.begin)
        nn.init.zeros_(self.bias)


class Take(nn.Module):
    """How a stream takes an appearance: a linear map where the widths differ, then the term's gain."""

    def __init__(self, term: Appearance | WholeImage, inputs: int, width: int, eps: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width) if inputs != width else None
        if term.gain == "norm":
            self.norm = BeginningNorm(width, eps, term.begin)
        else:
            self.scale = nn.Parameter(torch.tensor(term.begin))

    def forward(self, looks: Float[Tensor, "N W"]) -> Float[Tensor, "N D"]:
        x = looks if self.linear is None else self.linear(looks)
        return self.norm(x) if hasattr(self, "norm") else x * self.scale


def carried(batch: Batch, default: Literal["first", "last"]) -> Int[Tensor, "N"]:
    """For each word the region that it names, or its image's first or last where it names none."""
    text, region = batch.text, batch.region
    row = row_of(text.offsets)
    begin = region.offsets[:-1][row]
    other = begin if default == "first" else region.offsets[1:][row] - 1
    return torch.where(text.link >= 0, begin + text.link, other)


def linked(region: Float[Tensor, "M D"], nothing: Float[Tensor, "D"], batch: Batch) -> Float[Tensor, "N D"]:
    """For each word the vector of the region of its row that it names, ``nothing`` where there is none."""
    text, offsets = batch.text, batch.region.offsets
    row = row_of(text.offsets)
    there = (text.link >= 0) & (text.link < offsets.diff()[row])
    index = torch.where(there, offsets[:-1][row] + text.link, region.shape[0])
    return torch.cat([region, nothing[None].to(region.dtype)]).index_select(0, index)


class WordLooks(nn.Module):
    """What each word carries of its image, by a ``WholeImage`` term."""

    def __init__(self, term: WholeImage, dims: Dims) -> None:
        super().__init__()
        inputs = term.width or dims.width["region"]
        self.take = Take(term, inputs, dims.width["text"], dims.eps)
        self.alone = nn.Embedding(1, inputs) if term.alone else None
        self.region = term.region

    def forward(self, looks: Float[Tensor, "M W"], batch: Batch) -> Float[Tensor, "N D"]:
        text, region = batch.text, batch.region
        paired = (region.offsets.diff() > 0)[row_of(text.offsets)]
        index = carried(batch, self.region)
        spare = looks.new_zeros(1, looks.shape[1]) if self.alone is None else self.alone.weight.to(looks.dtype)
        seen = torch.cat([looks, spare]).index_select(0, torch.where(paired, index, looks.shape[0]))
        nothing = text.ids == END if self.alone is not None else (text.ids == END) | ~paired
        taken: Tensor = self.take(seen)
        return taken.masked_fill(nothing[:, None], 0.0)
