"""Noise-contrastive estimation: the feature of a hidden region is told from those of other regions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss, Region, offsets_of, row_of
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.region import RegressionHead
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, nothing, scored
from iconotext.objectives.masking import RegionMasks


@dataclass(frozen=True)
class Others(Targets):
    """Targets whose ``values`` are the clean features of all regions, and the regions ``others`` to tell each target from."""

    others: Int[Tensor, "P K"] = dataclasses.field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.long))


@dataclass(frozen=True)
class RegionNCE:
    """The feature of a hidden region among those of other regions (12-in-1 and VOLTA, visual target 2; off by default there).

    Corrupts: regions are chosen and hidden by ``masks``; their locations stay visible.
    Scores: the chosen regions that have any other to be told from; on mismatched pairs none when ``only_matched``.
    Loss: sum of -log softmax(prediction · feature) at the true feature, among ``across`` regions of other images of the batch
        and ``inside`` regions of the same image, drawn with replacement / number of scored regions. Features are those of the
        *clean* batch; VOLTA's code takes the hidden, zeroed ones (volta/losses.py), which it cannot tell apart. Where one kind
        is not to be had (one image in the batch, one region in the image), the other kind stands in.
    """

    name: ClassVar[str] = "nce"
    negatives: ClassVar[Negatives | None] = None
    masks: RegionMasks = RegionMasks()
    across: int = 178
    inside: int = 76
    shared: bool = False
    only_matched: bool = False
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch with chosen regions hidden, and the features that stood there among others."""
        region = clean.region
        chosen, corrupted = self.masks.corrupt(batch.region, region, draw)
        if self.only_matched:
            chosen = chosen & clean.matched[row_of(region.offsets)]
        chosen = chosen & (int((~region.whole).sum()) > 1)
        if not bool(chosen.any()):
            return dataclasses.replace(batch, region=corrupted), nothing()
        positions = chosen.nonzero()[:, 0]
        others = self._others(region, draw)[chosen[~region.whole]]
        targets = Others(positions, region.features.float(), float(positions.numel()), others=others)
        return dataclasses.replace(batch, region=corrupted), targets

    def _others(self, region: Region, draw: Draw) -> Int[Tensor, "N K"]:
        """For each region that is not a whole image, the regions to tell it from."""
        real = (~region.whole).nonzero()[:, 0]
        row = row_of(region.offsets)[real]
        offsets = offsets_of(torch.bincount(row, minlength=region.offsets.numel() - 1))
        begin, many = offsets[:-1][row][:, None], offsets.diff()[row][:, None]
        inside, across = many - 1, len(real) - many
        count = self.across + self.inside
        number = draw.tokens("others", offsets * count).view(-1, count)
        near = torch.arange(count) >= self.across
        near = (near & (inside > 0)) | (across == 0)
        own = torch.arange(len(real))[:, None]
        at_home, abroad = begin + (number * inside).long(), (number * across).long()
        at_home, abroad = at_home + (at_home >= own), abroad + (abroad >= begin) * many
        return real[torch.where(near, at_home, abroad)]

    def head(self, context: HeadContext) -> nn.Module:
        """Linear, GELU, layer norm, linear to the feature."""
        shared = context.region_transform if self.shared else None
        return RegressionHead(context.region_width, context.feature_dim, context.eps, None, shared)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed cross entropy of the true feature."""
        assert isinstance(targets, Others)
        guess = head(view.encoded.region.index_select(0, targets.positions)).float()
        index = torch.cat([targets.positions[:, None], targets.others], dim=1)
        scores = (guess @ targets.values.t()).gather(1, index)
        return scored(-scores.log_softmax(1)[:, 0].sum(), targets)
