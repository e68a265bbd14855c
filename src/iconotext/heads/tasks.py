"""The heads of tasks: of a model that is fine-tuned for one, and of one that does several with one trunk (12-in-1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Encoded, offsets_of, row_of
from iconotext.heads.answer import AnswerHead, AnswerHeadKind
from iconotext.nn.dropout import Dropout


@dataclass(frozen=True)
class TaskHead:
    """The form of one task's head; how many scores it gives is the data's affair, as the detector's classes are.

    ``reads``: the pooled rows, two pooled rows side by side (two images of one statement follow each other in the batch),
    every word, or every region. ``hidden`` is the width of a hidden layer as a multiple of what is read, 0 for one linear map.
    ``answers`` are what the scores of a trained head stand for, where they are answers and known.
    """

    name: str
    reads: Literal["pooled", "two pooled", "text", "region"] = "pooled"
    hidden: float = 0.0
    answers: tuple[str, ...] = ()


Options = Literal["softmax", "sigmoid"]
"""How scores are told to be right: as shares among those of an example, or each on its own."""
Images = Literal["pair", "triplet", "attention"]
"""How two images of a statement are read; see ``Downstream``."""
Phrases = Literal["attention", "alone"]
"""How the phrases of a sentence are read; see ``Downstream``."""


@dataclass(frozen=True)
class Downstream:
    """How a system's papers fine-tune it where there is more than one way; widths are multiples of what a head reads.

    ``options``: a choice among options is a softmax over them (ViLBERT) or a yes or no of each (UNITER, VL-BERT, B2T2), with
    a hidden layer of ``option_hidden`` width. ``regions``: a referring expression's region is a softmax over the regions
    (UNITER), or each has a yes or no by its overlap (ViLBERT, VL-BERT), with a layer of ``region_hidden``. ``images``: the
    text with each image in a row of its own and their pooled vectors side by side, under a layer of ``images_hidden``
    ("pair": LXMERT, 12-in-1); both images in one row ("triplet": VisualBERT); or two rows that attend to each other
    ("attention": UNITER). ``class_hidden`` is the layer of a head that judges a pair. ``phrases``: all phrases of a sentence at
    once, each by the attention from its last word to the regions ("attention": VisualBERT), or each without its sentence, as
    a referring expression ("alone": 12-in-1).
    """

    options: Options = "softmax"
    option_hidden: float = 0.0
    regions: Options = "sigmoid"
    region_hidden: float = 0.0
    images: Images = "pair"
    images_hidden: float = 1.0
    class_hidden: float = 0.0
    phrases: Phrases = "attention"


class TaskScores(nn.Module):
    """Scores of one task from what its head reads; ``width`` is that of one vector."""

    def __init__(self, form: TaskHead, width: int, outputs: int, dropout: float, eps: float) -> None:
        super().__init__()
        self.width = 2 * width if form.reads == "two pooled" else width
        self.drop = Dropout(dropout)
        self.scores = (
            AnswerHead(AnswerHeadKind("transform", form.hidden), self.width, outputs, eps)
            if form.hidden
            else nn.Linear(self.width, outputs)
        )

    def forward(self, states: Float[Tensor, "P D"]) -> Float[Tensor, "Q A"]:
        return self.scores(self.drop(states).reshape(-1, self.width))  # type: ignore[no-any-return]


class PairedAttention(nn.Module):
    """Two rows, each a text with one of two images, that attend to each other before they are judged (UNITER).

    The tokens of each row attend to those of the other and are put beside themselves; a shared linear map, ReLU and dropout
    bring them to ``width``; a learned weight of each token makes one vector of a row; the two are judged side by side.
    """

    def __init__(self, width: int, heads: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.left = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.right = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.join = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), Dropout(dropout))
        self.weigh = nn.Sequential(nn.Linear(width, 1), nn.ReLU())
        self.drop = Dropout(dropout)
        self.scores = nn.Linear(2 * width, outputs)

    def forward(self, encoded: Encoded) -> Float[Tensor, "E A"]:
        states, filled = side_by_side(encoded)
        one, other, mine, theirs = states[::2], states[1::2], filled[::2], filled[1::2]
        left, _ = self.left(one, other, other, key_padding_mask=~theirs, need_weights=False)
        right, _ = self.right(other, one, one, key_padding_mask=~mine, need_weights=False)
        pooled = [
            self._pool(self.join(torch.cat([seen, own], -1)), there)
            for seen, own, there in ((left, one, mine), (right, other, theirs))
        ]
        return self.scores(torch.cat(pooled, -1))  # type: ignore[no-any-return]

    def _pool(self, states: Float[Tensor, "E L D"], filled: Bool[Tensor, "E L"]) -> Float[Tensor, "E D"]:
        weights = self.weigh(states)[..., 0].masked_fill(~filled, -torch.inf).softmax(-1)
        return (self.drop(weights)[..., None] * states).sum(1)  # type: ignore[no-any-return]


def side_by_side(encoded: Encoded) -> tuple[Float[Tensor, "B L D"], Bool[Tensor, "B L"]]:
    """Each row's words and then its regions as one padded row, and where there is a token; both have one width."""
    lengths = encoded.text_offsets.diff() + encoded.region_offsets.diff()
    states = encoded.text.new_zeros(len(lengths), int(lengths.max()), encoded.text.shape[1])
    filled = torch.arange(states.shape[1], device=lengths.device) < lengths[:, None]
    row, place = _places(encoded.text_offsets)
    states = states.index_put((row, place), encoded.text)
    row, place = _places(encoded.region_offsets)
    return states.index_put((row, place + encoded.text_offsets.diff()[row]), encoded.region), filled


class PhraseAttention(nn.Module):
    """How well each region fits each phrase: the products of one attention head, from a phrase's word to the regions.

    -inf where a row has no more of either; the softmax is the loss's affair. In fp32, so that an order has no false ties.
    Source: `FlickrAttention` of uclanlp/visualbert, without its map of values, which nothing uses.
    """

    def __init__(self, text: int, region: int, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(text, width), nn.Linear(region, width)

    def forward(self, encoded: Encoded, phrases: Int[Tensor, "B P"], kept: Bool[Tensor, "M"]) -> Float[Tensor, "B P R"]:
        with torch.autocast(encoded.text.device.type, enabled=False):
            query, key = self.query(encoded.text.float()[phrases.clamp(min=0)]), self.key(encoded.region.float())
            there = by_row(key.new_zeros(len(key)), kept, encoded.region_offsets).isfinite()
            scores = query @ by_row(key, kept, encoded.region_offsets, 0.0).mT / math.sqrt(query.shape[-1])
            return scores.masked_fill(~there[:, None] | (phrases < 0)[..., None], -torch.inf)  # type: ignore[no-any-return]


def by_row(
    values: Float[Tensor, "M *D"], kept: Bool[Tensor, "M"], offsets: Int[Tensor, "B1"], fill: float = -torch.inf
) -> Float[Tensor, "B R *D"]:
    """What the ``kept`` tokens of each row have, in order; ``fill`` where a row has no more."""
    counts = torch.zeros_like(offsets[1:]).index_add(0, row_of(offsets), kept.long())
    row, place = _places(offsets_of(counts))
    out = values.new_full((len(counts), int(counts.max()) if len(counts) else 0, *values.shape[1:]), fill)
    return out.index_put((row, place), values[kept])


def _places(offsets: Int[Tensor, "B1"]) -> tuple[Int[Tensor, "N"], Int[Tensor, "N"]]:
    """The row of each packed token, and its place in it."""
    row = row_of(offsets)
    return row, torch.arange(row.numel(), device=row.device) - offsets[:-1][row]
