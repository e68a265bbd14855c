"""Which words and regions are hidden: the choices that the masked objectives share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from iconotext.core.batch import Region, Text, row_of
from iconotext.core.boxes import iou, overlap
from iconotext.core.seed import Draw


def choose_words(text: Text, draw: Draw, rate: float, whole_word: bool, at_least_one: bool) -> Bool[Tensor, "N"]:
    """The tokens to be scored: each word (or, without ``whole_word``, each piece) with probability ``rate``.

    With ``at_least_one`` a row in which none was drawn gives the one that came nearest; special tokens are never chosen.
    """
    number = draw.tokens("mask words", text.offsets)
    if whole_word and number.numel():
        first = torch.full((int(text.word.max()) + 1,), number.numel(), dtype=torch.long)
        index = torch.arange(number.numel())
        first = first.scatter_reduce(0, text.word, index, "amin")
        number = number[first[text.word]]
    number = number.masked_fill(text.special, 2.0)
    chosen = number < rate
    return _with_one(chosen, number, text.offsets) if at_least_one else chosen


def choose_some(text: Text, draw: Draw, many: Int[Tensor, "B"]) -> Bool[Tensor, "N"]:
    """So ``many`` tokens of each row, or all that are not special where a row has fewer."""
    number = draw.tokens("mask words", text.offsets).masked_fill(text.special, 2.0)
    row = row_of(text.offsets)
    order = torch.argsort(row + number / 4)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(order.numel()) - text.offsets[:-1][row]
    return (rank < many[row]) & ~text.special


@dataclass(frozen=True)
class RegionMasks:
    """How regions are chosen and hidden.

    Each region is chosen with probability ``rate``; of the chosen the share ``keep`` stays visible (ViLBERT: 0.1), and the
    share ``random`` gets the feature of another region of its image (LXMERT: 0.1, of another region of the whole data set;
    here of the same image, so that a run does not depend on how its batches are cut).
    ``leak`` closes the hole that overlapping boxes leave: every region whose ``measure`` with a hidden one is above it is
    chosen and hidden as well, until no visible region overlaps a hidden one ("iou", or "overlap": how much of the smaller box
    is covered).
    ``None`` leaves the hole open, as most published systems do.
    """

    rate: float = 0.15
    keep: float = 0.0
    random: float = 0.0
    at_least_one: bool = True
    leak: float | None = None
    measure: Literal["iou", "overlap"] = "overlap"

    def choose(self, region: Region, draw: Draw) -> tuple[Bool[Tensor, "M"], Bool[Tensor, "M"]]:
        """The regions to be scored, and those of them that are hidden. The whole-image token is never chosen."""
        number = draw.tokens("mask regions", region.offsets).masked_fill(region.whole, 2.0)
        chosen = number < self.rate
        if self.at_least_one:
            chosen = _with_one(chosen, number, region.offsets)
        hidden = chosen & (draw.tokens("keep regions", region.offsets) >= self.keep + self.random)
        if self.leak is not None:
            hidden = _spread(region, hidden, self.leak, self.measure)
            chosen = chosen | hidden
        return chosen, hidden

    def corrupt(self, region: Region, clean: Region, draw: Draw) -> tuple[Bool[Tensor, "M"], Region]:
        """The regions to be scored, and ``region`` with them hidden or exchanged."""
        chosen, hidden = self.choose(clean, draw)
        if self.random:
            number = draw.tokens("keep regions", clean.offsets)
            exchanged = chosen & ~hidden & (number >= self.keep)
            other = clean.features[_another(clean, draw)]
            region = dataclasses.replace(region, features=torch.where(exchanged[:, None], other, region.features))
        return chosen, hide(region, hidden)


def _another(region: Region, draw: Draw) -> Int[Tensor, "M"]:
    """For each region another one of its image, where there is one; the whole-image token stands for itself."""
    real = (~region.whole).nonzero()[:, 0]
    row = row_of(region.offsets)[real]
    many = torch.zeros_like(region.offsets[:-1]).index_add_(0, row, torch.ones_like(row))
    begin, count = (many.cumsum(0) - many)[row], many[row]
    step = 1 + (draw.tokens("other region", region.offsets)[real] * (count - 1)).long()
    other = torch.arange(region.whole.numel())
    other[real] = real[begin + (torch.arange(real.numel()) - begin + step) % count]
    return other


def _with_one(chosen: Bool[Tensor, "N"], number: Float[Tensor, "N"], offsets: Int[Tensor, "B1"]) -> Bool[Tensor, "N"]:
    """At least one chosen token in every row that has one that may be chosen: the lowest number."""
    if not number.numel():
        return chosen
    row = row_of(offsets)
    lowest = torch.full((offsets.numel() - 1,), 2.0, dtype=number.dtype).scatter_reduce(0, row, number, "amin")
    return chosen | ((number == lowest[row]) & (number < 1.0))


def _spread(region: Region, hidden: Bool[Tensor, "M"], threshold: float, measure: str) -> Bool[Tensor, "M"]:
    """``hidden`` grown over regions that overlap a hidden one of the same row, until nothing changes."""
    row = row_of(region.offsets)
    compare = iou if measure == "iou" else overlap
    hidden = hidden.clone()
    for index in torch.unique(row[hidden]).tolist():
        begin, end = int(region.offsets[index]), int(region.offsets[index + 1])
        touching = compare(region.boxes[begin:end], region.boxes[begin:end]) > threshold
        own = region.whole[begin:end]
        touching = touching & ~own[:, None] & ~own[None]
        now = hidden[begin:end]
        while True:
            grown = now | (touching & now[:, None]).any(0)
            if torch.equal(grown, now):
                break
            now = grown
        hidden[begin:end] = now
    return hidden


def hide(region: Region, hidden: Bool[Tensor, "M"]) -> Region:
    """The regions with ``hidden`` marked, and every whole-image feature made again from the visible ones.

    Features of hidden regions are zeroed as well, so that nothing downstream can read them by accident. ViLBERT's code
    divides the whole-image sum by all regions, 12-in-1's by another count; this is the plain mean of what is visible
    (tests/unit/objectives/test_masking.py pins it).
    """
    masked = region.masked | hidden
    features = region.features.masked_fill(masked[:, None], 0.0)
    if bool(region.whole.any()):
        row = row_of(region.offsets)
        visible = ~masked & ~region.whole
        rows = region.offsets.numel() - 1
        total = features.new_zeros(rows, features.shape[1], dtype=torch.float32)
        total.index_add_(0, row[visible], features[visible].float())
        many = torch.zeros(rows).index_add_(0, row[visible], torch.ones(int(visible.sum())))
        mean = total / many.clamp(min=1)[:, None]
        features = torch.where(region.whole[:, None], mean[row].to(features.dtype), features)
    return dataclasses.replace(region, features=features, masked=masked)
