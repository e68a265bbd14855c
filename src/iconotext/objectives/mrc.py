"""Masked region classification: the detector's label of a hidden region is guessed, as a class or as a distribution."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss, Region, row_of
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.region import ClassHead
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, nothing, row_by_row, scored
from iconotext.objectives.masking import RegionMasks


@dataclass(frozen=True)
class MRC:
    """Classification of hidden regions by the detector's own label.

    Corrupts: regions are chosen and hidden by ``masks``; their locations stay visible.
    Scores: the chosen regions, or with ``scores`` "all" every region, hidden or not (LXMERT); on mismatched pairs none when
        ``only_matched``.
    Loss, ``label`` "soft": KL(detector || model) summed over classes, or with ``measure`` "cross_entropy" that without the
        label's own entropy, over regions whose label adds up to 1 within 0.1 (VL-BERT); "hard": cross entropy of the most
        probable class that is not background; "attribute": cross entropy of the attribute, 0 where the detector names none.
        ``per`` "region" divides by the number of scored regions (ViLBERT), "class" also by the number of classes, as
        UNITER's code does (model/pretrain.py), which makes its loss 1,601 times smaller; "row" takes the mean over rows of
        each row's mean.
    Options: ``background_first``: class 0 is background, and never a hard target; ``background_scored`` False leaves it out
        of the head as well (LXMERT). ``confidence`` weighs each region by how sure the detector is of the label (LXMERT).
        ``shared`` uses one hidden step together with the other region heads that say so (LXMERT). ``norm`` False has no
        layer norm in the head (VL-BERT).
    """

    negatives: ClassVar[Negatives | None] = None
    label: Literal["soft", "hard", "attribute"] = "soft"
    masks: RegionMasks = RegionMasks()
    measure: Literal["kl", "cross_entropy"] = "kl"
    per: Literal["region", "class", "row"] = "region"
    scores: Literal["chosen", "all"] = "chosen"
    background_first: bool = True
    background_scored: bool = True
    confidence: bool = False
    shared: bool = False
    norm: bool = True
    only_matched: bool = False
    weight: float = 1.0

    @property
    def name(self) -> str:
        """One name a form, so that several may be used together."""
        return f"mrc_{self.label}"

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch with chosen regions hidden, and the detector's labels there."""
        region = clean.region
        if not region.masked.numel():
            return batch, nothing()
        if region.class_probs.shape[1] == 0 and self.label != "attribute":
            raise ConfigError(
                "Masked region classification needs class probabilities, and the region store has none. "
                "Extract with a detector that classifies, or train with feature regression (mrfr) alone."
            )
        chosen, corrupted = self.masks.corrupt(batch.region, region, draw)
        if self.scores == "all":
            chosen = ~region.whole
        if self.only_matched:
            chosen = chosen & clean.matched[row_of(region.offsets)]
        if self.measure == "cross_entropy":
            chosen = chosen & ((region.class_probs.float().sum(1) - 1).abs() < 0.1)
        positions = chosen.nonzero()[:, 0]
        values, sure = self._labels(region, positions)
        weights = sure if self.confidence else (sure > 0).float()
        return dataclasses.replace(batch, region=corrupted), self.targets(positions, values, weights, region.offsets)

    def targets(
        self, positions: Int[Tensor, "P"], values: Tensor, weights: Float[Tensor, "P"], offsets: Int[Tensor, "B1"]
    ) -> Targets:
        """The labels at some regions with what their losses are divided by."""
        if self.per == "row":
            shares, count = row_by_row(positions, offsets)
            return Targets(positions, values, count, weights * shares)
        many = values.shape[1] if self.per == "class" and self.label == "soft" else 1
        return Targets(positions, values, float(positions.numel() * many), weights)

    def _labels(self, region: Region, positions: Tensor) -> tuple[Tensor, Float[Tensor, "P"]]:
        """The labels at some regions, and how sure the detector is of them: 0 where it names no attribute."""
        if self.label == "attribute":
            named = region.attributes[positions]
            return named.clamp(min=0), region.attribute_scores[positions].float() * (named >= 0)
        probs = region.class_probs[positions].float()
        if self.label == "soft":
            return probs, torch.ones(len(positions))
        start = int(self.background_first)
        sure, best = probs[:, start:].max(1)
        return best + (start if self.background_scored else 0), sure

    def head(self, context: HeadContext) -> nn.Module:
        """Linear, GELU, layer norm, linear to the detector's classes."""
        classes = context.classes - (0 if self.background_scored else 1)
        outputs = context.attributes if self.label == "attribute" else classes
        shared = context.region_transform if self.shared else None
        return ClassHead(context.region_width, outputs, context.eps, shared, self.norm)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed divergence or cross entropy at the scored regions."""
        logits = head(view.encoded.region.index_select(0, targets.positions)).float()
        if self.label == "soft":
            guess = logits.log_softmax(-1)
            entropy = torch.special.entr(targets.values) if self.measure == "kl" else 0.0
            each = -(targets.values * guess + entropy).sum(-1)
        else:
            each = nn.functional.cross_entropy(logits, targets.values, reduction="none")
        return scored((each * targets.weights).sum(), targets)
