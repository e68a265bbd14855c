"""The embedding of the regions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Region
from iconotext.core.errors import ConfigError
from iconotext.nn.dropout import Dropout
from iconotext.nn.streams import Dims
from iconotext.nn.terms import LOCATION_WIDTH, Feature, LinkedPosition, Location, Position, RegionEmbedding, Segment
from iconotext.nn.text_embed import TextEmbedder


class RegionEmbedder(nn.Module):
    """The sum of a ``RegionEmbedding``'s terms, layer norm, dropout; zeros without terms.

    A masked region's feature is hidden here, by the explicit mark in the batch; its location stays visible. ``text`` owns
    what terms share with it: the segment table (UNITER), the positions of linked words and the norm (VisualBERT).
    """

    def __init__(self, embedding: RegionEmbedding, dims: Dims, feature_dim: int, text: TextEmbedder) -> None:
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
            elif isinstance(term, Segment):
                self.linear["segment"] = nn.Embedding(term.size, self.width)
            elif isinstance(term, Position):
                self.linear["position"] = nn.Embedding(term.size, self.width)
            else:
                self._map(term, feature_dim, dims)
        self.learned = hasattr(self, "mask_vector")
        if embedding.shared_norm:
            self._shared["norm"] = text.norm
        elif embedding.terms and not embedding.mean:
            self.norm = nn.LayerNorm(self.width, eps=dims.eps)
        self.mean = embedding.mean
        self.drop = Dropout(dims.dropout)

    def _map(self, term: Feature | Location, feature_dim: int, dims: Dims) -> None:
        name = "feature" if isinstance(term, Feature) else "location"
        inputs = feature_dim if isinstance(term, Feature) else LOCATION_WIDTH[term.kind]
        self.linear[name] = nn.Linear(inputs, self.width)
        if term.norm:
            self.norms[name] = nn.LayerNorm(self.width, eps=dims.eps)
        if isinstance(term, Feature) and term.masked == "learned":
            self.mask_vector = nn.Parameter(torch.zeros(feature_dim))

    @property
    def feature(self) -> nn.Linear | None:
        """The map from region features, to which a regression head may be tied; ``None`` when regions are not read."""
        layer = self.linear["feature"] if "feature" in self.linear else None
        assert layer is None or isinstance(layer, nn.Linear)
        return layer

    def _hide(self, region: Region) -> Float[Tensor, "M F"]:
        hidden = region.masked[:, None]
        weight = self.linear["feature"].weight
        assert isinstance(weight, Tensor)
        features = region.features.to(weight.dtype)
        if self.learned:
            return torch.where(hidden, self.mask_vector.to(features.dtype), features)
        return features.masked_fill(hidden, 0.0)

    def _value(self, name: str, region: Region) -> Tensor:
        """What the term's map or table is given."""
        if name == "feature":
            return self._hide(region)
        if name == "position":
            return torch.zeros_like(region.segment)
        return region.location if name == "location" else region.segment

    def forward(self, region: Region) -> Float[Tensor, "M D"]:
        parts = []
        for name, layer in self.linear.items():
            part = layer(self._value(name, region))
            parts.append(self.norms[name](part) if name in self.norms else part)
        if "segment" in self._shared:
            parts.append(self._shared["segment"](region.segment))
        if "linked" in self._shared and region.linked.shape[1]:
            parts.append(_mean(self._shared["linked"], region.linked))
        if not parts:
            return region.features.new_zeros(region.masked.numel(), self.width)
        total: Tensor = sum(parts[1:], parts[0])
        if self.mean:
            return self.drop(total / len(parts))  # type: ignore[no-any-return]
        norm = self._shared["norm"] if "norm" in self._shared else self.norm
        return self.drop(norm(total))  # type: ignore[no-any-return]


def _owned(text: TextEmbedder, table: str, wanted_by: str) -> nn.Module:
    if table not in text.tables:
        raise ConfigError(f"A {wanted_by} needs a {table.capitalize()} term in the text embedding.")
    return text.tables[table]


def _mean(positions: nn.Module, linked: Tensor) -> Float[Tensor, "M D"]:
    """The mean of the position vectors at ``linked`` [M, A]; zero where all are -1."""
    real = linked >= 0
    vectors = positions(linked.clamp(min=0)) * real[..., None]
    return vectors.sum(1) / real.sum(1, keepdim=True).clamp(min=1)  # type: ignore[no-any-return]
