"""Masked language modelling: words are hidden and guessed from the other words and the regions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss, row_of
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.vocabulary import VocabularyHead
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, row_by_row, scored
from iconotext.objectives.masking import choose_some, choose_words


def replace_words(
    batch: Batch, chosen: Bool[Tensor, "N"], draw: Draw, vocab: Vocab, mask: float, random: float
) -> Batch:
    """The batch with the share ``mask`` of the chosen words as [MASK] and the share ``random`` as random words."""
    offsets = batch.text.offsets
    how = draw.tokens("how to corrupt", offsets)
    other = draw.tokens("random word", offsets)
    other_ids = vocab.first + (other * (vocab.size - vocab.first)).long()
    ids = torch.where(chosen & (how < mask), vocab.mask, batch.text.ids)
    ids = torch.where(chosen & (how >= mask) & (how < mask + random), other_ids, ids)
    return dataclasses.replace(batch, text=dataclasses.replace(batch.text, ids=ids))


@dataclass(frozen=True)
class MLM:
    """Cross entropy of the hidden words (Devlin et al., NAACL 2019).

    Corrupts: each word is chosen with probability ``rate`` (special tokens never); a chosen one becomes [MASK] with
        probability ``mask``, a random word with probability ``random``, and stays otherwise.
    Scores: the chosen positions, and only those; on mismatched pairs none when ``only_matched``.
    Loss: sum of -log p(word) / number of chosen positions (``per`` "word"), or the mean over rows of each row's mean ("row").
    Options: ``whole_word`` chooses all pieces of a word together; ``at_least_one`` never leaves a row without a target. With
        ``most``, of a row's L tokens (special ones counted) exactly ``rate`` x L pieces are chosen, 1 to ``most`` (BERT).
    """

    name: ClassVar[str] = "mlm"
    negatives: ClassVar[Negatives | None] = None
    rate: float = 0.15
    mask: float = 0.8
    random: float = 0.1
    whole_word: bool = False
    at_least_one: bool = True
    most: int | None = None
    only_matched: bool = False
    per: Literal["word", "row"] = "word"
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch with chosen words replaced, and the words that stood there."""
        text = clean.text
        if self.most is None:
            chosen = choose_words(text, draw, self.rate, self.whole_word, self.at_least_one)
        else:
            many = (text.offsets.diff() * self.rate).round().long().clamp(1, self.most)
            chosen = choose_some(text, draw, many)
        corrupted = replace_words(batch, chosen, draw, vocab, self.mask, self.random)
        # Words are hidden in mismatched pairs as well: else they would tell image-text matching which pairs match.
        if self.only_matched:
            chosen = chosen & clean.matched[row_of(text.offsets)]
        positions = chosen.nonzero()[:, 0]
        return corrupted, self.targets(positions, text.ids[positions], text.offsets)

    def targets(self, positions: Int[Tensor, "P"], words: Int[Tensor, "P"], offsets: Int[Tensor, "B1"]) -> Targets:
        """The words at some positions with what their losses are divided by."""
        if self.per == "row":
            weights, count = row_by_row(positions, offsets)
            return Targets(positions, words, count, weights)
        return Targets(positions, words, float(positions.numel()))

    def head(self, context: HeadContext) -> nn.Module:
        """BERT's: linear, GELU, layer norm, then the word table transposed with a free bias."""
        return VocabularyHead(context.text_width, context.words, context.eps)

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed cross entropy at the chosen positions."""
        logits = head(view.encoded.text.index_select(0, targets.positions))
        each = nn.functional.cross_entropy(logits.float(), targets.values, reduction="none")
        return scored((each * targets.weights).sum(), targets)
