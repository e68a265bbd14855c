"""The heads of a model that does several tasks with one trunk (12-in-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from iconotext.heads.answer import AnswerHead, AnswerHeadKind
from iconotext.nn.dropout import Dropout


@dataclass(frozen=True)
class TaskHead:
    """The form of one task's head; how many scores it gives is the data's affair, as the detector's classes are.

    ``reads``: the pooled rows, two pooled rows side by side (two images of one statement follow each other in the batch),
    every word, or every region. ``hidden`` is the width of a hidden layer as a multiple of what is read, 0 for one linear map.
    """

    name: str
    reads: Literal["pooled", "two pooled", "text", "region"] = "pooled"
    hidden: float = 0.0


class TaskScores(nn.Module):
    """Scores of one task from what its head reads; ``width`` is that of one vector."""

    def __init__(self, form: TaskHead, width: int, outputs: int, dropout: float, eps: float) -> None:
        super().__init__()
        self.width = 2 * width if form.reads == "two pooled" else width
        self.drop = Dropout(dropout)
        self.scores = (
            AnswerHead(AnswerHeadKind("transform", form.hidden), self.width, outputs, eps)
            if form.hidden
            else nn.Linear(self.width, outputs)
        )

    def forward(self, states: Float[Tensor, "P D"]) -> Float[Tensor, "Q A"]:
        return self.scores(self.drop(states).reshape(-1, self.width))  # type: ignore[no-any-return]
