"""The head that answers a question from the pooled pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from iconotext.core.batch import Encoded
from iconotext.heads.pool import first_two
from iconotext.heads.transform import Transform
from iconotext.nn.dropout import Dropout

WHOLE: Any = None  # one norm for the whole matrix, as ViLBERT has it; torch takes None, its types say int


@dataclass(frozen=True)
class AnswerHeadKind:
    """The published form.

    "transform": linear to ``hidden``, GELU, layer norm, linear (UNITER, LXMERT). "weight_norm": weight-normed linear, ReLU,
    dropout 0.5, weight-normed linear (ViLBERT). "plain": linear, ReLU, linear (Unified VLP). ``hidden`` is given as a multiple
    of the width of what is read: the pooled pair, or with ``reads`` "first two" the product of the first two words' states.
    """

    kind: Literal["transform", "weight_norm", "plain"] = "transform"
    hidden: float = 2.0
    reads: Literal["pooled", "first two"] = "pooled"

    def read(self, encoded: Encoded, pool: Callable[[], Tensor]) -> Float[Tensor, "B P"]:
        """What the head is given; ``pool`` makes the pooled pair when it is asked for."""
        return first_two(encoded) if self.reads == "first two" else pool()

    def width(self, text: int, pooled: int) -> int:
        """The width of that."""
        return text if self.reads == "first two" else pooled


class AnswerHead(nn.Module):
    """Scores of the answers [B, A] from the pooled pair [B, P]."""

    def __init__(self, form: AnswerHeadKind, width: int, answers: int, eps: float) -> None:
        super().__init__()
        hidden = round(width * form.hidden)
        if form.kind == "transform":
            self.layers = nn.Sequential(Transform(width, hidden, eps), nn.Linear(hidden, answers))
        elif form.kind == "plain":
            self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, answers))
        else:
            self.layers = nn.Sequential(
                weight_norm(nn.Linear(width, hidden), dim=WHOLE),
                nn.ReLU(),
                Dropout(0.5),
                weight_norm(nn.Linear(hidden, answers), dim=WHOLE),
            )

    def begin_at(self, shares: Float[Tensor, "A"]) -> None:
        """Biases that give each answer its share of the questions before anything is learned.

        Thousands of answers are all wrong for most questions; without this the first part of a short fine-tuning goes into
        saying so. A departure from the papers, whose runs are long enough not to need it (tests/unit/heads/test_heads.py).
        """
        with torch.no_grad():
            last = self.layers[-1]
            assert isinstance(last, nn.Linear)
            last.bias.copy_(torch.logit(shares.clamp(1e-4, 1 - 1e-4)))

    def forward(self, pooled: Float[Tensor, "B P"]) -> Float[Tensor, "B A"]:
        return self.layers(pooled)  # type: ignore[no-any-return]
