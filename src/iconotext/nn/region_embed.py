"""The embedding of the regions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Region
from iconotext.core.errors import ConfigError
from iconotext.nn.dropout import Dropout
from iconotext.nn.streams import Dims
from iconotext.nn.terms import LOCATION_WIDTH, Feature, RegionEmbedding, Segment


class RegionEmbedder(nn.Module):
    """The sum of a ``RegionEmbedding``'s terms, layer norm, dropout.

    A masked region's feature is hidden here, by the explicit mark in the batch; its location stays visible. ``segments`` is
    the text's segment table, for a term that shares it (UNITER).
    """

    def __init__(self, embedding: RegionEmbedding, dims: Dims, feature_dim: int, segments: nn.Module | None) -> None:
        super().__init__()
        width = dims.width["region"]
        self.linear = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        self._shared: list[nn.Module] = []
        for term in embedding.terms:
            if isinstance(term, Segment):
                if not term.shared:
                    self.linear["segment"] = nn.Embedding(term.size, width)
                elif segments is None:
                    raise ConfigError("A shared region segment needs a Segment term in the text embedding.")
                else:
                    self._shared.append(segments)  # a list hides it from parameters(): the text owns it
                continue
            name = "feature" if isinstance(term, Feature) else "location"
            inputs = feature_dim if isinstance(term, Feature) else LOCATION_WIDTH[term.kind]
            self.linear[name] = nn.Linear(inputs, width)
            if term.norm:
                self.norms[name] = nn.LayerNorm(width, eps=dims.eps)
            if isinstance(term, Feature) and term.masked == "learned":
                self.mask_vector = nn.Parameter(torch.zeros(feature_dim))
        self.learned = hasattr(self, "mask_vector")
        self.norm = nn.LayerNorm(width, eps=dims.eps)
        self.drop = Dropout(dims.dropout)

    @property
    def feature(self) -> nn.Linear:
        """The map from region features, to which a regression head may be tied."""
        layer = self.linear["feature"]
        assert isinstance(layer, nn.Linear)
        return layer

    def _hide(self, region: Region) -> Float[Tensor, "M F"]:
        hidden = region.masked[:, None]
        features = region.features.to(self.feature.weight.dtype)
        if self.learned:
            return torch.where(hidden, self.mask_vector.to(features.dtype), features)
        return features.masked_fill(hidden, 0.0)

    def forward(self, region: Region) -> Float[Tensor, "M D"]:
        values = {"feature": self._hide(region), "location": region.location, "segment": region.segment}
        parts = []
        for name, layer in self.linear.items():
            part = layer(values[name])
            parts.append(self.norms[name](part) if name in self.norms else part)
        parts += [table(region.segment) for table in self._shared]
        return self.drop(self.norm(sum(parts[1:], parts[0])))  # type: ignore[no-any-return]
