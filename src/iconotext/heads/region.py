"""The heads that guess what a hidden region is."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn, zeros

from iconotext.heads.transform import Transform


class RegressionHead(nn.Module):
    """Linear, GELU, layer norm, then a map to the feature: the transposed feature map when ``tied`` is given (UNITER)."""

    def __init__(self, width: int, feature_dim: int, eps: float, tied: nn.Linear | None) -> None:
        super().__init__()
        self.transform = Transform(width, width, eps)
        self.bias = nn.Parameter(zeros(feature_dim))
        self._tied = [tied] if tied is not None else []  # a list hides it from parameters(): the embedding owns the map
        if tied is None:
            self.decoder = nn.Linear(width, feature_dim, bias=False)

    def forward(self, states: Float[Tensor, "P D"]) -> Float[Tensor, "P F"]:
        weight = self._tied[0].weight.t() if self._tied else self.decoder.weight
        return nn.functional.linear(self.transform(states), weight, self.bias)


class ClassHead(nn.Module):
    """Linear, GELU, layer norm, linear to the detector's classes."""

    def __init__(self, width: int, classes: int, eps: float) -> None:
        super().__init__()
        self.transform = Transform(width, width, eps)
        self.decoder = nn.Linear(width, classes)

    def forward(self, states: Float[Tensor, "P D"]) -> Float[Tensor, "P C"]:
        return self.decoder(self.transform(states))  # type: ignore[no-any-return]
