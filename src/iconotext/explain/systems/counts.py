"""Parameters and operations of a system, counted on the meta device: no weight is made."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from iconotext.explain.systems.words import title
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.models.trunk import Trunk, count_parameters
from iconotext.nn.attention import Attention
from iconotext.nn.feed_forward import FeedForwardSublayer
from iconotext.nn.schedule import BOTH, Stream


@dataclass(frozen=True)
class Measure:
    """What systems are counted with, the same for all: a vocabulary, region features, and the lengths of a pair."""

    vocabulary: int = 30522
    feature_dim: int = 2048
    classes: int = 1601
    attributes: int = 400
    words: int = 20
    regions: int = 36

    def said(self) -> str:
        """In words."""
        return (
            f"a vocabulary of {self.vocabulary:,}, region features of {self.feature_dim:,} with {self.classes:,} classes and "
            f"{self.attributes:,} attributes; a pair of {self.words} words and {self.regions} regions"
        )


USUAL = Measure()


def built(page: System, measure: Measure = USUAL) -> PretrainModel:
    """The system's model without weights."""
    with torch.device("meta"):
        return PretrainModel(page, measure.vocabulary, measure.feature_dim, measure.classes, measure.attributes)


def parameters(model: PretrainModel) -> dict[str, int]:
    """Parameters by part, tied ones once; the parts add up to the whole."""
    trunk = model.trunk
    parts: dict[str, nn.Module] = {
        "words": trunk.text,
        "regions": trunk.region,
        "encoder": trunk.encoder,
        "pooled pair": trunk.pooler,
        **{f"head of {title(model.objectives[name])}": head for name, head in model.heads.items()},
        **{f"heads' {name}": part for name, part in model.named_children() if name not in ("trunk", "heads")},
    }
    found = {name: count_parameters(part) for name, part in parts.items()}
    return {name: count for name, count in found.items() if count}


def tokens(page: System, measure: Measure = USUAL) -> dict[Stream, int]:
    """Tokens of a pair in each stream, special ones included."""
    if not page.region.terms:
        return {"text": measure.words + 2, "region": 0}
    return {"text": measure.words + 2, "region": measure.regions + (page.layout.whole_image != "none")}


def flops(trunk: Trunk, lengths: dict[Stream, int]) -> int:
    """Floating-point operations of one pair through the trunk, forward; a multiplication and an addition are two.

    Matrix products only, as is usual. Training takes three times as many, heads apart.
    """
    total = 0
    for sublayer in trunk.encoder.sublayers:
        if isinstance(sublayer, Attention):
            total += _attention(sublayer, lengths)
        elif isinstance(sublayer, FeedForwardSublayer):
            for stream in sublayer.streams:
                owner = "text" if sublayer.one else stream
                total += lengths[stream] * (_linear(sublayer.up[owner]) + _linear(sublayer.down[owner]))
    total += lengths["text"] * _linear(trunk.text) + lengths["region"] * _linear(trunk.region) + _linear(trunk.pooler)
    return 2 * total


def _attention(sublayer: Attention, lengths: dict[Stream, int]) -> int:
    """Multiplications of projections, scores, weighted sums and outputs."""
    total = 0
    for stream in BOTH if sublayer.shared else tuple(sublayer.parts):
        total += lengths[stream] * _linear(sublayer.project["text" if sublayer.shared else stream])
    for stream in sublayer.layer.streams:
        keys = sum(lengths[read] for read in sublayer.layer.reads(stream))
        if keys and lengths[stream]:
            total += 2 * lengths[stream] * keys * sublayer.width[stream]
            total += lengths[stream] * _linear(sublayer.output["text" if sublayer.shared else stream])
    return total


def _linear(module: nn.Module) -> int:
    """Multiplications of all linear maps in a module, for one token."""
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))
