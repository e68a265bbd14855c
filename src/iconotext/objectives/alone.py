"""Words guessed from words alone, beside pairs: text-only batches in a system that also reads regions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from iconotext.core.batch import Batch, Loss, Region, some_tokens
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.objectives.base import HeadContext, Negatives, Targets, View
from iconotext.objectives.mlm import MLM


@dataclass(frozen=True)
class TextAlone:
    """Masked language modelling on texts without their images (VL-BERT's text corpora).

    Corrupts: the regions of all rows are taken away; then as ``words`` does. So it stands alone in a part of a mix.
    Scores, Loss: as ``words``, with the same name and the same head.
    """

    negatives: ClassVar[Negatives | None] = None
    words: MLM = MLM()

    @property
    def name(self) -> str:
        """That of ``words``: they share a head."""
        return self.words.name

    @property
    def weight(self) -> float:
        """That of ``words``."""
        return self.words.weight

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch without regions and with chosen words replaced, and the words that stood there."""
        region = without_regions(batch.region)
        alone = dataclasses.replace(batch, region=region), dataclasses.replace(clean, region=region)
        return self.words.corrupt(*alone, draw, vocab)

    def head(self, context: HeadContext) -> nn.Module:
        """That of ``words``."""
        return self.words.head(context)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """That of ``words``."""
        return self.words.loss(head, view, targets)


def without_regions(region: Region) -> Region:
    """As many rows, none with a region."""
    return some_tokens(region, region.offsets[:0], torch.zeros_like(region.offsets))
