"""Image-text matching: do this text and these regions belong together?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from iconotext.core.batch import Batch, Loss
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.match import MatchHead
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, scored


@dataclass(frozen=True)
class ITM:
    """Two-way cross entropy on the pooled pair.

    Corrupts: nothing by itself; mismatched pairs are made by ``negatives`` when the batch is drawn.
    Scores: every row.
    Loss: sum of -log p(label) / rows. ``matched`` names the index that means "belongs together": 1 in UNITER, 0 in ViLBERT.
    """

    name: ClassVar[str] = "itm"
    negatives: Negatives = Negatives()
    matched: int = 1
    dropout: bool = False
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch as it is, and for each row the index that is true of it."""
        labels = torch.where(clean.matched, self.matched, 1 - self.matched)
        return batch, Targets(torch.arange(len(batch)), labels, float(len(batch)))

    def head(self, context: HeadContext) -> nn.Module:
        """(Dropout and) one linear map to two."""
        return MatchHead(context.pooled_width, context.dropout if self.dropout else 0.0)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed cross entropy of the rows."""
        logits = head(view.pooled()).float()
        return scored(nn.functional.cross_entropy(logits, targets.values, reduction="sum"), targets)
