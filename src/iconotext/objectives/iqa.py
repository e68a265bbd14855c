"""Image question answering as a pre-training objective: the answer to a question is one of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.heads.answer import AnswerHead, AnswerHeadKind
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, scored


@dataclass(frozen=True)
class IQA:
    """Cross entropy of the answer on the pooled pair (LXMERT; Tan and Bansal, EMNLP 2019).

    Corrupts: nothing; the data gives questions among the texts, with an answer drawn by how many annotators gave it.
    Scores: the rows whose text is a question with a known answer and belongs to its image.
    Loss: sum of -log p(answer) / such rows; or with ``measure`` "binary" the binary cross entropy of every answer, summed over
        the answers (Unified VLP and most fine-tuning).
    Options: ``count`` answers, called ``names`` where they are known; pre-training takes both from the data.
    """

    name: ClassVar[str] = "iqa"
    negatives: ClassVar[Negatives | None] = None
    count: int = 9500
    names: tuple[str, ...] = ()
    measure: Literal["one", "binary"] = "one"
    form: AnswerHeadKind = AnswerHeadKind("transform", hidden=2.0)
    weight: float = 1.0

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch as it is, and the answers of the questions that are asked of their own image."""
        rows = ((clean.answers >= 0) & clean.matched).nonzero()[:, 0]
        return batch, Targets(rows, clean.answers[rows], float(rows.numel()))

    def head(self, context: HeadContext) -> nn.Module:
        """An answer head of the published form."""
        width = self.form.width(context.text_width, context.pooled_width)
        return AnswerHead(self.form, width, self.count, context.eps)

    def scores(self, head: nn.Module, view: View, rows: Int[Tensor, "P"]) -> Float[Tensor, "P A"]:
        """The logits of the answers in some rows."""
        return head(self.form.read(view.encoded, view.pooled).index_select(0, rows))  # type: ignore[no-any-return]

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Summed cross entropy of the questions."""
        logits = self.scores(head, view, targets.positions).float()
        if self.measure == "binary":
            wanted = targets.values
            if not wanted.is_floating_point():
                wanted = nn.functional.one_hot(wanted, self.count).float()
            return scored(nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum"), targets)
        return scored(nn.functional.cross_entropy(logits, targets.values, reduction="sum"), targets)
