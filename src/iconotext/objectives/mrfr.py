"""Masked region feature regression: the features of hidden regions are guessed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from iconotext.core.batch import Batch, Loss, row_of
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.region import RegressionHead
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, scored
from iconotext.objectives.masking import RegionMasks


@dataclass(frozen=True)
class MRFR:
    """Regression of the hidden regions' features (UNITER; Chen et al., ECCV 2020).

    Corrupts: regions are chosen and hidden by ``masks``; their locations stay visible.
    Scores: the chosen regions; on mismatched pairs none when ``only_matched``. The target is the feature of the *clean* batch.
    Loss: sum of (prediction - feature)² / (number of chosen regions x feature width), as in UNITER's code (model/pretrain.py).
        ``error`` "smooth" takes e²/2 up to |e| = 1 and |e| - 1/2 beyond (SmoothL1), ``per`` "all" divides by the number of
        all regions, hidden or not (both LXMERT).
    Options: ``tied`` uses the feature map transposed for the output (UNITER). ``shared`` uses one hidden step together with
        the other region heads that say so (LXMERT).
    """

    name: ClassVar[str] = "mrfr"
    negatives: ClassVar[Negatives | None] = None
    masks: RegionMasks = RegionMasks()
    tied: bool = True
    error: Literal["squared", "smooth"] = "squared"
    per: Literal["chosen", "all"] = "chosen"
    shared: bool = False
    only_matched: bool = False
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch with chosen regions hidden, and the features that stood there."""
        chosen, corrupted = self.masks.corrupt(batch.region, clean.region, draw)
        if self.only_matched:
            chosen = chosen & clean.matched[row_of(clean.region.offsets)]
        positions = chosen.nonzero()[:, 0]
        values = clean.region.features[positions].float()
        regions = positions.numel() if self.per == "chosen" else int((~clean.region.whole).sum())
        count = float(regions * values.shape[1])
        return dataclasses.replace(batch, region=corrupted), Targets(positions, values, count)

    def head(self, context: HeadContext) -> nn.Module:
        """Linear, GELU, layer norm, then the feature map transposed (or an own one) with a free bias."""
        tied = context.feature if self.tied else None
        shared = context.region_transform if self.shared else None
        return RegressionHead(context.region_width, context.feature_dim, context.eps, tied, shared)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed error at the chosen regions."""
        guess = head(view.encoded.region.index_select(0, targets.positions))
        measure = nn.functional.mse_loss if self.error == "squared" else nn.functional.smooth_l1_loss
        return scored(measure(guess.float(), targets.values, reduction="sum"), targets)
