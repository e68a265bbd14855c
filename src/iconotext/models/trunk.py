"""The part of a model that all its heads share: embeddings, encoder, pooler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Batch, Encoded
from iconotext.core.errors import ConfigError
from iconotext.heads.pool import Pooler, pooled_width
from iconotext.models.system import System
from iconotext.nn.appearance import linked
from iconotext.nn.encoder import Encoder
from iconotext.nn.init import initialise
from iconotext.nn.pattern import Geometry
from iconotext.nn.region_embed import RegionEmbedder
from iconotext.nn.schedule import apart
from iconotext.nn.streams import Dims, Streams
from iconotext.nn.terms import LinkedRegion
from iconotext.nn.text_embed import TextEmbedder
from iconotext.objectives.base import HeadContext


def dims_of(system: System) -> Dims:
    """The sizes that the modules of a system are built with."""
    return Dims(
        width={"text": system.width, "region": system.region_width},
        heads={"text": system.heads, "region": system.region_heads},
        hidden={"text": system.hidden, "region": system.region_hidden},
        dropout=system.dropout,
        attention_dropout=system.attention_dropout,
        eps=system.eps,
        norm=system.norm,
        last_norm=system.last_norm,
    )


class Trunk(nn.Module):
    """A system's embeddings, encoder and pooler for a vocabulary and a kind of region features."""

    def __init__(
        self, system: System, vocabulary: int, feature_dim: int, recompute: bool = False, classes: int = 0
    ) -> None:
        super().__init__()
        self.system = system
        self.feature_dim = feature_dim
        dims = dims_of(system)
        self.text = TextEmbedder(system.text, dims, vocabulary)
        self.region = RegionEmbedder(system.region, dims, feature_dim, self.text, classes)
        self.links = any(isinstance(term, LinkedRegion) for term in system.text.terms)
        if self.links and self.region.feature is None:
            raise ConfigError("A LinkedRegion needs a Feature term in the region embedding, as one linear map.")
        self.encoder = Encoder(system.schedule, dims, recompute)
        self.pooler = Pooler(system.pool, dims)
        initialise(self, system.init)
        if self.region.learned:
            nn.init.normal_(self.region.mask_vector, 0.0, 0.02)
        self.copy_text_tables()

    def copy_text_tables(self) -> None:
        """Makes the regions' own position and segment tables those of the text, where the page says that they begin so."""
        for name, table in self.region.linear.items():
            if self.system.region.like_text and isinstance(table, nn.Embedding):
                table.load_state_dict(self.text.tables[name].state_dict())

    @property
    def embeds_apart(self) -> bool:
        """Whether each stream's embedding is its own: not where words carry their image (VL-BERT, B2T2)."""
        return not self.system.text.carries

    @property
    def apart(self) -> int:
        """How many sublayers a stream may run before it has to know the other."""
        return apart(self.system.schedule) if self.embeds_apart else 0

    def embed(self, batch: Batch) -> Streams:
        """What the encoder is given."""
        if self.links:
            region, feature = self.region(batch), self.region.feature
            assert feature is not None
            return Streams.of(self.text(batch.text) + linked(region, feature.bias, batch).tanh(), region)
        if not hasattr(self.region, "appearance"):
            return Streams.of(self.text(batch.text), self.region(batch))
        looks = self.region.appearance(batch.region)
        carried = self.text.looks(looks, batch) if hasattr(self.text, "looks") else None
        return Streams.of(self.text(batch.text, carried), self.region(batch, looks))

    def forward(self, batch: Batch, watch: Callable[[int, Streams], None] | None = None) -> Encoded:
        """The states after the last layer; ``watch`` is shown the streams after each sublayer."""
        streams = self.encoder(self.embed(batch), Geometry(batch), watch)
        return Encoded(streams["text"], streams["region"], batch.text.offsets, batch.region.offsets)

    def pool(self, encoded: Encoded) -> Float[Tensor, "B P"]:
        """One vector a pair."""
        return self.pooler(encoded)  # type: ignore[no-any-return]

    def head_context(self, classes: int, attributes: int) -> HeadContext:
        """What objectives build their heads from."""
        system, dims = self.system, dims_of(self.system)
        return HeadContext(
            text_width=system.width,
            region_width=system.region_width,
            pooled_width=pooled_width(system.pool, dims),
            eps=system.eps,
            dropout=system.dropout,
            words=self.text.words,
            feature=self.region.feature,
            feature_dim=self.feature_dim,
            classes=classes,
            attributes=attributes,
            regions=self.region,
        )


def device_of(module: nn.Module) -> torch.device:
    """Where a module's parameters are."""
    return next(module.parameters()).device


def count_parameters(module: nn.Module) -> int:
    """Parameters, tied ones once."""
    return sum(p.numel() for p in module.parameters())
