"""Masked words of a caption that follows its image, guessed from both sides or only from what is left of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss, row_of
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.vocabulary import VocabularyHead
from iconotext.objectives.base import HeadContext, Negatives, Targets, View
from iconotext.objectives.masking import choose_some
from iconotext.objectives.mix import Mix, every
from iconotext.objectives.mlm import replace_words

DIVISOR = 1e-5
"""What VLP's code adds to the number of words that a loss is divided by."""
PROJECTIONS = {"full": 0, "seq2seq": 3}
"""Which of several projections of the head each pattern uses (VLP's task index)."""


@dataclass(frozen=True)
class CaptionMLM:
    """Cross entropy of a few hidden words a caption, its last [SEP] among them (Unified VLP; Zhou et al., AAAI 2020).

    Corrupts: of n words, 0.15 n (``rate``), at least one and at most ``most``; a chosen one becomes [MASK] with probability
        ``mask``, a random word with probability ``random``, and stays otherwise. ``pattern`` "seq2seq" lets words see the
        image and the words before them, and the image only itself; ``segments`` is added to every segment id.
    Scores: the chosen positions, and only those; on mismatched pairs none when ``only_matched``.
    Loss: sum of -log p(word) / (number of chosen positions + 1e-5). Needs a layout with ``image_first``.
    Options: ``smoothing`` gives that much of each target to the other words, the padding aside. ``drop`` leaves out that
        share of the rows, those with the largest losses. ``projections`` of the head: each pattern has its own.
    """

    name: ClassVar[str] = "mlm"
    negatives: ClassVar[Negatives | None] = None
    pattern: Literal["full", "seq2seq"] = "full"
    segments: int = 0
    rate: float = 0.15
    most: int = 3
    mask: float = 0.8
    random: float = 0.1
    only_matched: bool = False
    smoothing: float = 0.0
    drop: float = 0.0
    projections: int = 1
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch with the pattern and its segments, chosen words replaced, and the words that stood there."""
        text = clean.text
        hideable = torch.zeros(len(clean), dtype=torch.long).index_add_(0, row_of(text.offsets), (~text.special).long())
        many = ((hideable - 1) * self.rate).round().long().clamp(1, self.most)
        chosen = choose_some(text, draw, many)
        corrupted = replace_words(batch, chosen, draw, vocab, self.mask, self.random)
        if self.only_matched:
            chosen = chosen & clean.matched[row_of(text.offsets)]
        positions = chosen.nonzero()[:, 0]
        words = dataclasses.replace(corrupted.text, segment=corrupted.text.segment + self.segments)
        regions = dataclasses.replace(corrupted.region, segment=corrupted.region.segment + self.segments)
        seen = dataclasses.replace(corrupted, text=words, region=regions, pattern=self.pattern)
        return seen, self.targets(positions, text.ids[positions])

    def targets(self, positions: Int[Tensor, "P"], words: Int[Tensor, "P"]) -> Targets:
        """The words at some positions with what their losses are divided by."""
        return Targets(positions, words, positions.numel() + DIVISOR * bool(positions.numel()))

    def head(self, context: HeadContext) -> nn.Module:
        """BERT's, with as many projections as asked for."""
        return VocabularyHead(context.text_width, context.words, context.eps, self.projections)

    def scores(self, head: nn.Module, view: View, positions: Int[Tensor, "P"]) -> Float[Tensor, "P V"]:
        """The logits of the words at some positions."""
        return self.logits(head, view.encoded.text.index_select(0, positions), view.batch.pattern)

    def logits(self, head: nn.Module, states: Float[Tensor, "P D"], pattern: str) -> Float[Tensor, "P V"]:
        """What the head makes of words' last states."""
        return head(states, PROJECTIONS[pattern] if self.projections > 1 else 0)  # type: ignore[no-any-return]

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed cross entropy at the chosen positions, of the rows that are kept."""
        return self.loss_of(self.scores(head, view, targets.positions), view.batch, targets)

    def loss_of(self, scores: Float[Tensor, "P V"], batch: Batch, targets: Targets) -> Loss:
        """The loss from the logits at the chosen positions."""
        each = self._each(scores.float(), targets.values)
        count = each.new_tensor(targets.count)
        if not self.drop:
            return Loss(each.sum(), count)
        rows = len(batch)
        row = row_of(batch.text.offsets)[targets.positions]
        sums = each.new_zeros(rows).index_add(0, row, each)
        kept, which = sums.topk(int(rows * (1 - self.drop)), largest=False)
        return Loss(kept.sum(), torch.bincount(row, minlength=rows)[which].sum() + DIVISOR)

    def _each(self, logits: Float[Tensor, "P V"], words: Int[Tensor, "P"]) -> Float[Tensor, "P"]:
        """Cross entropy, or the divergence from smoothed targets, in which word 0 (padding) has no share."""
        if not self.smoothing:
            return nn.functional.cross_entropy(logits, words, reduction="none")
        wanted = torch.full_like(logits, self.smoothing / (logits.shape[1] - 2))
        wanted[:, 0] = 0.0
        wanted = wanted.scatter(1, words[:, None], 1 - self.smoothing)
        return nn.functional.kl_div(logits.log_softmax(-1), wanted, reduction="none").sum(-1)


def writing(mix: Mix) -> CaptionMLM | None:
    """What teaches a mix to write: words of captions that are guessed from what is left of them; None where nothing does."""
    found = (o for o in every(mix) if isinstance(o, CaptionMLM) and o.pattern == "seq2seq")
    return next(found, None)
