"""The embedding of the regions."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from iconotext.core.batch import END, Batch, Region, row_of
from iconotext.core.errors import ConfigError
from iconotext.nn.appearance import AppearanceMap, Take, carried
from iconotext.nn.dropout import Dropout
from iconotext.nn.grid import GridTable
from iconotext.nn.streams import Dims
from iconotext.nn.terms import (
    LOCATION_WIDTH,
    AfterWords,
    Appearance,
    Feature,
    GridPosition,
    ImageToken,
    LinkedPosition,
    Location,
    Modality,
    Position,
    RegionEmbedding,
    Segment,
)
from iconotext.nn.text_embed import TextEmbedder


class RegionEmbedder(nn.Module):
    """The sum of a ``RegionEmbedding``'s terms, layer norm, dropout; zeros without terms.

    A masked region's feature is hidden here, by the explicit mark in the batch; its location stays visible. ``text`` owns
    what terms share with it: the segment table (UNITER), the positions of linked words and the norm (VisualBERT).
    """

    def __init__(
        self, embedding: RegionEmbedding, dims: Dims, feature_dim: int, text: TextEmbedder, classes: int = 0
    ) -> None:
        super().__init__()
        self.width = dims.width["region"]
        self.linear = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        self._shared: dict[str, nn.Module] = {}  # a dict hides it from parameters(): the text owns it
        for term in embedding.terms:
            if isinstance(term, Segment) and term.shared:
                self._shared["segment"] = _owned(text, "segment", "shared region segment")
            elif isinstance(term, LinkedPosition):
                self._shared["linked"] = _owned(text, "position", "LinkedPosition")
            elif isinstance(term, AfterWords):
                self._shared["after"] = _owned(text, "position", "AfterWords")
                self.first = text.first
            elif isinstance(term, Modality):
                self._shared["modality"] = _owned(text, "modality", "Modality")
            elif isinstance(term, GridPosition):
                self.grid = GridTable(term.rows, term.columns, self.width)
            elif isinstance(term, Appearance):
                self.appearance = AppearanceMap(term, dims, feature_dim)
                self.take = Take(term, self.appearance.width, self.width, dims.eps)
            elif isinstance(term, ImageToken):
                self.image = nn.Embedding(1, self.width)
                if term.hidden:
                    self.hidden = nn.Embedding(1, self.width)
                if term.end:
                    self.end = nn.Embedding(1, self.width)
            elif isinstance(term, Segment):
                self.linear["segment"] = nn.Embedding(term.size, self.width)
            elif isinstance(term, Position):
                self.linear["position"] = nn.Embedding(term.size, self.width)
            else:
                self._map(term, feature_dim, dims, classes)
        self.learned = hasattr(self, "mask_vector")
        self.absent = any(isinstance(term, Feature) and term.masked == "absent" for term in embedding.terms)
        if embedding.shared_norm:
            self._shared["norm"] = text.norm
        elif embedding.terms and embedding.norm and not embedding.mean:
            self.norm = nn.LayerNorm(self.width, eps=dims.eps)
        self.mean = embedding.mean
        self.drop = Dropout(dims.dropout)

    def _map(self, term: Feature | Location, feature_dim: int, dims: Dims, classes: int) -> None:
        name = "feature" if isinstance(term, Feature) else "location"
        inputs, between = feature_dim, None
        if isinstance(term, Location):
            inputs = LOCATION_WIDTH[term.kind] + (classes if term.class_probs else 0)
            self.class_probs = term.class_probs
        else:
            between = term.hidden
        self.linear[name] = _relu(inputs, between, self.width, dims) if term.relu else nn.Linear(inputs, self.width)
        if term.norm:
            self.norms[name] = nn.LayerNorm(self.width, eps=dims.eps)
        if isinstance(term, Feature) and term.masked == "learned":
            self.mask_vector = nn.Parameter(torch.zeros(feature_dim))
        if isinstance(term, Feature) and term.whole == "learned":
            self.whole = nn.Embedding(1, self.width)

    @property
    def feature(self) -> nn.Linear | None:
        """The map from region features, to which a regression head may be tied; ``None`` where it is not one linear map."""
        layer = self.linear["feature"] if "feature" in self.linear else None
        return layer if isinstance(layer, nn.Linear) else None

    def _hide(self, region: Region) -> Float[Tensor, "M F"]:
        hidden = region.masked[:, None]
        features = region.features.to(next(self.linear["feature"].parameters()).dtype)
        if self.learned:
            return torch.where(hidden, self.mask_vector.to(features.dtype), features)
        return features.masked_fill(hidden, 0.0)

    def _value(self, name: str, region: Region) -> Tensor:
        """What the term's map or table is given."""
        if name == "feature":
            return self._hide(region)
        if name == "position":
            return torch.zeros_like(region.segment)
        if name == "location" and self.class_probs:
            both = (region.location, region.class_probs.to(region.location.dtype))
            return torch.cat([nn.functional.layer_norm(x, x.shape[1:]) for x in both if x.shape[1]], dim=1)
        return region.location if name == "location" else region.segment

    @property
    def feature_maps(self) -> set[str]:
        """Which of "feature" and "location" are mapped."""
        return {"feature", "location"} & set(self.linear)

    def mapped(self, name: str, region: Region) -> Float[Tensor, "M D"]:
        """What the map "feature" or "location" makes of the regions."""
        return self.linear[name](self._value(name, region))  # type: ignore[no-any-return]

    def _special(self, batch: Batch) -> Float[Tensor, "M D"]:
        """The special word that each region is."""
        words = self.image.weight.expand(batch.region.masked.numel(), -1)
        if hasattr(self, "hidden"):
            words = torch.where(batch.region.masked[:, None], self.hidden.weight, words)
        return torch.where(_ends(batch)[:, None], self.end.weight, words) if hasattr(self, "end") else words

    def forward(self, batch: Batch, looks: Float[Tensor, "M W"] | None = None) -> Float[Tensor, "M D"]:
        """The vectors of the regions; ``looks`` is what the ``Appearance`` term makes of them."""
        region = batch.region
        parts = [] if looks is None else [self.take(looks)]
        if hasattr(self, "image"):
            parts.append(self._special(batch))
        if "after" in self._shared:
            place = _after_words(batch) + self.first
            parts.append(self._shared["after"](place + _ends(batch) if hasattr(self, "end") else place))
        for name, layer in self.linear.items():
            part = layer(self._value(name, region))
            if self.absent and name in ("feature", "location"):
                part = part.masked_fill(region.masked[:, None], 0.0)
            if name == "feature" and hasattr(self, "whole"):
                part = torch.where(region.whole[:, None], self.whole.weight, part)
            parts.append(self.norms[name](part) if name in self.norms else part)
        if "segment" in self._shared:
            parts.append(self._shared["segment"](region.segment))
        if hasattr(self, "grid"):
            parts.append(self.grid(region.location, region.whole))
        if "linked" in self._shared and region.linked.shape[1]:
            parts.append(_mean(self._shared["linked"], region.linked))
        if not parts:
            return region.features.new_zeros(region.masked.numel(), self.width)
        total: Tensor = sum(parts[1:], parts[0])
        if self.mean:
            return self.drop(total / len(parts))  # type: ignore[no-any-return]
        norm = self._shared["norm"] if "norm" in self._shared else getattr(self, "norm", nn.Identity())
        out: Tensor = self.drop(norm(total))
        return out + self._shared["modality"](region.segment) if "modality" in self._shared else out


def _owned(text: TextEmbedder, table: str, wanted_by: str) -> nn.Module:
    if table not in text.tables:
        raise ConfigError(f"A {wanted_by} needs a {table.capitalize()} term in the text embedding.")
    return text.tables[table]


def _relu(inputs: int, between: int | None, outputs: int, dims: Dims) -> nn.Sequential:
    """Linear, ReLU, and once more where there is a width ``between``, then dropout."""
    widths = [inputs, outputs] if between is None else [inputs, between, outputs]
    layers = [part for one, other in pairwise(widths) for part in (nn.Linear(one, other), nn.ReLU())]
    return nn.Sequential(*layers, Dropout(dims.dropout))


def _after_words(batch: Batch) -> Int[Tensor, "M"]:
    """For each region the number of words of its row, which is the place after them; [END] is no word."""
    text, offsets = batch.text, batch.region.offsets
    words = (text.ids != END).long()
    count = words.new_zeros(offsets.numel() - 1).index_add_(0, row_of(text.offsets), words)
    return count[row_of(offsets)]


def _ends(batch: Batch) -> Bool[Tensor, "M"]:
    """Marks the region of each row that its first word carries: the last, where it names no other."""
    text, region = batch.text, batch.region
    paired = (text.offsets.diff() > 0) & (region.offsets.diff() > 0)
    ends = torch.zeros_like(region.masked)
    ends[carried(batch, "last")[text.offsets[:-1][paired]]] = True
    return ends


def _mean(positions: nn.Module, linked: Tensor) -> Float[Tensor, "M D"]:
    """The mean of the position vectors at ``linked`` [M, A]; zero where all are -1."""
    real = linked >= 0
    vectors = positions(linked.clamp(min=0)) * real[..., None]
    return vectors.sum(1) / real.sum(1, keepdim=True).clamp(min=1)  # type: ignore[no-any-return]
