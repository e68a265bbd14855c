"""The heads that guess what a hidden region is."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn, zeros

from iconotext.heads.transform import Transform


class _RegionHead(nn.Module):
    """The hidden step of a head: its own, or one that it uses together with others, which the model then owns."""

    def __init__(self, width: int, eps: float, shared: Transform | None, norm: bool = True) -> None:
        super().__init__()
        self._shared = [] if shared is None else [shared]  # a list hides it from parameters()
        if shared is None:
            self.transform = Transform(width, width, eps, norm=norm)

    def hidden(self, states: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """The states after the hidden step."""
        return (self._shared[0] if self._shared else self.transform)(states)  # type: ignore[no-any-return]


class RegressionHead(_RegionHead):
    """Linear, GELU, layer norm, then a map to the feature: the transposed feature map when ``tied`` is given (UNITER)."""

    def __init__(
        self, width: int, feature_dim: int, eps: float, tied: nn.Linear | None, shared: Transform | None = None
    ) -> None:
        super().__init__(width, eps, shared)
        self.bias = nn.Parameter(zeros(feature_dim))
        self._tied = [tied] if tied is not None else []  # the embedding owns the map
        if tied is None:
            self.decoder = nn.Linear(width, feature_dim, bias=False)

    def forward(self, states: Float[Tensor, "P D"]) -> Float[Tensor, "P F"]:
        weight = self._tied[0].weight.t() if self._tied else self.decoder.weight
        return nn.functional.linear(self.hidden(states), weight, self.bias)


class ClassHead(_RegionHead):
    """Linear, GELU, layer norm (or none), linear to the detector's classes or attributes."""

    def __init__(
        self, width: int, classes: int, eps: float, shared: Transform | None = None, norm: bool = True
    ) -> None:
        super().__init__(width, eps, shared, norm)
        self.decoder = nn.Linear(width, classes)

    def forward(self, states: Float[Tensor, "P D"]) -> Float[Tensor, "P C"]:
        return self.decoder(self.hidden(states))  # type: ignore[no-any-return]
