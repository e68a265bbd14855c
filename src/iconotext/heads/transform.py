"""The hidden step that most heads share."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class Transform(nn.Module):
    """Linear, GELU (or ReLU), layer norm (or, without ``norm``, none)."""

    def __init__(self, inputs: int, outputs: int, eps: float, activation: str = "gelu", norm: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.activation = nn.GELU() if activation == "gelu" else nn.ReLU()
        self.norm = nn.LayerNorm(outputs, eps=eps) if norm else nn.Identity()

    def forward(self, x: Float[Tensor, "P D"]) -> Float[Tensor, "P O"]:
        return self.norm(self.activation(self.linear(x)))  # type: ignore[no-any-return]
