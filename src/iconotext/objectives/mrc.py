"""Masked region classification: the detector's label of a hidden region is guessed, as a class or as a distribution."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from iconotext.core.batch import Batch, Loss, row_of
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.region import ClassHead
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, nothing, scored
from iconotext.objectives.masking import RegionMasks, hide


@dataclass(frozen=True)
class MRC:
    """Classification of hidden regions by the detector's own label.

    Corrupts: regions are chosen and hidden by ``masks``; their locations stay visible.
    Scores: the chosen regions; on mismatched pairs none when ``only_matched``.
    Loss, ``label`` "soft": KL(detector || model) summed over classes; "hard": cross entropy of the most probable class that is
        not background. ``per`` "region" divides by the number of chosen regions (ViLBERT), "class" also by the number of
        classes, as UNITER's code does (model/pretrain.py), which makes its loss 1,601 times smaller.
    Options: ``background_first``: class 0 is background, and never a hard target.
    """

    negatives: ClassVar[Negatives | None] = None
    label: Literal["soft", "hard"] = "soft"
    masks: RegionMasks = RegionMasks()
    per: Literal["region", "class"] = "region"
    background_first: bool = True
    only_matched: bool = False
    weight: float = 1.0

    @property
    def name(self) -> str:
        """One name a form, so that both may be used together."""
        return f"mrc_{self.label}"

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch with chosen regions hidden, and the detector's labels there."""
        probs = clean.region.class_probs
        if not clean.region.masked.numel():
            return batch, nothing()
        if probs.shape[1] == 0:
            raise ConfigError(
                "Masked region classification needs class probabilities, and the region store has none. "
                "Extract with a detector that classifies, or train with feature regression (mrfr) alone."
            )
        chosen, hidden = self.masks.choose(clean.region, draw)
        if self.only_matched:
            chosen = chosen & clean.matched[row_of(clean.region.offsets)]
        positions = chosen.nonzero()[:, 0]
        values = probs[positions].float()
        if self.label == "hard":
            start = 1 if self.background_first else 0
            values = values[:, start:].argmax(1) + start
        count = positions.numel() * (probs.shape[1] if self.per == "class" and self.label == "soft" else 1)
        corrupted = dataclasses.replace(batch, region=hide(batch.region, hidden))
        return corrupted, Targets(positions, values, float(count))

    def head(self, context: HeadContext) -> nn.Module:
        """Linear, GELU, layer norm, linear to the detector's classes."""
        return ClassHead(context.region_width, context.classes, context.eps)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed divergence or cross entropy at the chosen regions."""
        logits = head(view.encoded.region.index_select(0, targets.positions)).float()
        if self.label == "hard":
            return scored(nn.functional.cross_entropy(logits, targets.values, reduction="sum"), targets)
        total: torch.Tensor = nn.functional.kl_div(logits.log_softmax(-1), targets.values, reduction="sum")
        return scored(total, targets)
