"""Contrastive objectives: a pair must score higher than pairs that do not belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss, row_of
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.towers import Towers
from iconotext.objectives.base import HeadContext, Negatives, Rewrites, Targets, View, scored


def share(scores: Float[Tensor, "P Q"], positive: Bool[Tensor, "P Q"]) -> Float[Tensor, "P"]:
    """-log of the share that the positive columns of each row have of its softmax; one column at least is positive."""
    return scores.logsumexp(1) - scores.masked_fill(~positive, -torch.inf).logsumexp(1)


@dataclass(frozen=True)
class Contrastive:
    """The texts of a batch against its images (Oord et al., 2018; Radford et al., ICML 2021).

    Corrupts: nothing.
    Scores: every row that has words and regions, against all of its micro-batch on its process. Rows with the very same
        regions or the very same words count as belonging together.
    Loss: mean of both directions, -log of the share of the softmax that goes to what belongs together, / rows.
    Options: ``width`` of the common space; ``temperature`` at the start, it is learned and never below 0.01.
    """

    name: ClassVar[str] = "contrastive"
    negatives: ClassVar[Negatives | None] = None
    width: int = 512
    temperature: float = 0.07
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch as it is, and which rows belong together [P, P]."""
        rows = ((clean.text.offsets.diff() > 0) & (clean.region.offsets.diff() > 0)).nonzero()[:, 0]
        words = _kinds(clean.text.ids.double(), clean.text.offsets)[rows]
        images = _kinds(clean.region.features.double().sum(1), clean.region.offsets)[rows]
        together = (words[:, None] == words[None]) | (images[:, None] == images[None])
        return batch, Targets(rows, together, float(rows.numel()))

    def head(self, context: HeadContext) -> nn.Module:
        """A projection of each side to the common space, and the temperature."""
        return Towers(context.text_width, context.region_width, self.width, self.temperature)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed over the rows."""
        with torch.autocast(view.encoded.text.device.type, enabled=False):
            scores = head(view.encoded)[targets.positions][:, targets.positions]
            both = share(scores, targets.values) + share(scores.t(), targets.values.t())
            return scored(both.sum() / 2, targets)


@dataclass(frozen=True)
class CrossModalContrastive:
    """Rewritten texts of an image against each other, read together with it (UNIMO; Li et al., ACL 2021).

    Corrupts: nothing by itself; ``negatives`` makes a group of each pair when the batch is drawn.
    Scores: every group, by one number a pair from the pooled pair.
    Loss: -log of the share of the softmax over a group that goes to its matched pairs, / groups. After the paper's formula;
        its code was not published.
    """

    name: ClassVar[str] = "cmcl"
    negatives: Rewrites = Rewrites()
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch as it is, and for each group which of its pairs match [P, K]."""
        if clean.group < 2:
            raise ConfigError("The contrast of rewritten texts (cmcl) needs groups, which only its own draw makes.")
        matched = clean.matched.view(-1, clean.group)
        return batch, Targets(torch.arange(len(matched)), matched, float(len(matched)))

    def head(self, context: HeadContext) -> nn.Module:
        """One linear map of the pooled pair to a number."""
        return nn.Linear(context.pooled_width, 1)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed over the groups."""
        scores = head(view.pooled()).float().view(targets.values.shape)
        return scored(share(scores, targets.values).sum(), targets)


def _kinds(values: Float[Tensor, "N"], offsets: Int[Tensor, "B1"]) -> Int[Tensor, "B"]:
    """A number for each row, the same for rows of the same values."""
    lengths = offsets.diff()
    padded = values.new_full((lengths.numel(), int(lengths.max()) if lengths.numel() else 0), torch.inf)
    row = row_of(offsets)
    padded[row, torch.arange(values.numel()) - offsets[:-1][row]] = values
    kinds: Tensor = torch.unique(padded, dim=0, return_inverse=True)[1]
    return kinds
