"""The head that says whether a text and an image belong together."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from iconotext.nn.dropout import Dropout


class MatchHead(nn.Module):
    """Dropout and one linear map of the pooled pair to two logits."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.drop = Dropout(dropout)
        self.linear = nn.Linear(width, 2)

    def forward(self, pooled: Float[Tensor, "B P"]) -> Float[Tensor, "B 2"]:
        return self.linear(self.drop(pooled))  # type: ignore[no-any-return]
