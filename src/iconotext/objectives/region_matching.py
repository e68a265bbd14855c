"""Which hidden region belongs to which hidden place: contrast of the regions of one image."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss, row_of, some_tokens
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.nn.region_embed import RegionEmbedder
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, scored
from iconotext.objectives.masking import RegionMasks, hide


class Maps(nn.Module):
    """The embedding's own maps of features and places, once more; it has no weights of its own."""

    def __init__(self, regions: RegionEmbedder) -> None:
        super().__init__()
        self._regions = [regions]  # a list hides it from parameters(): the trunk owns it

    def forward(self, view: View, features: Float[Tensor, "P F"], positions: Int[Tensor, "P"]) -> tuple[Tensor, Tensor]:
        """The vectors of the places with the pooled pair added, and of the features, both before they were hidden."""
        region = view.batch.region
        shown = some_tokens(region, positions, torch.tensor([0, len(positions)], device=positions.device))
        shown = dataclasses.replace(shown, features=features, masked=torch.zeros_like(shown.masked))
        places = self._regions[0].mapped("location", shown)
        asked = view.pooled().index_select(0, row_of(region.offsets)[positions])
        return places + asked, self._regions[0].mapped("feature", shown)


@dataclass(frozen=True)
class RegionMatching:
    """Each hidden place finds its region among the hidden ones of its image (Unified VLP's region loss, off by default).

    Corrupts: regions are chosen by ``masks``; neither their features nor their places are embedded, and no token reads them.
    Scores: the chosen regions.
    Loss: -log softmax over the image's hidden regions of (place + pooled pair) . feature; the mean over the image's hidden
        regions, then over the images that have any.
    """

    name: ClassVar[str] = "region_matching"
    negatives: ClassVar[Negatives | None] = None
    masks: RegionMasks = RegionMasks(rate=0.15)
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch with chosen regions hidden from every token, and the features that stood there."""
        chosen, hidden = self.masks.choose(clean.region, draw)
        positions = chosen.nonzero()[:, 0]
        unread = dataclasses.replace(batch, region=hide(batch.region, hidden), hidden_read=False)
        return unread, self.targets(positions, clean.region.features[positions].float(), clean.region.offsets)

    def targets(
        self, positions: Int[Tensor, "P"], features: Float[Tensor, "P F"], offsets: Int[Tensor, "B1"]
    ) -> Targets:
        """The features of some regions; images count alike."""
        row = row_of(offsets)[positions]
        many = torch.bincount(row, minlength=offsets.numel() - 1)
        return Targets(positions, features, float((many > 0).sum()), 1 / many[row])

    def head(self, context: HeadContext) -> nn.Module:
        """The maps of the region embedding."""
        if context.regions is None or context.regions.feature_maps != {"feature", "location"}:
            raise ConfigError("Region matching needs a Feature and a Location in the region embedding.")
        return Maps(context.regions)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed cross entropy of the hidden places, an image at most 1."""
        asked, offered = head(view, targets.values, targets.positions)
        row = row_of(view.batch.region.offsets)[targets.positions]
        scores = (asked.float() @ offered.float().t()).masked_fill(row[:, None] != row[None], float("-inf"))
        return scored(-(scores.log_softmax(-1).diagonal() * targets.weights).sum(), targets)
