"""Positions on a grid, for pictures that are cut into patches."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class GridTable(nn.Module):
    """A learned vector for each cell of a grid, read between the cells as well, by bilinear interpolation.

    So a picture of any number of patches has its positions from one table: corners lie on corners (ViLT, Vision
    Transformer). Row 0 belongs to the whole image.
    """

    def __init__(self, rows: int, columns: int, width: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns
        self.table = nn.Embedding(1 + rows * columns, width)

    def forward(self, place: Float[Tensor, "M 2"], whole: Bool[Tensor, "M"]) -> Float[Tensor, "M D"]:
        """The vector at each ``place``: shares of the way from left to right and from top to bottom."""
        last = place.new_tensor([self.columns - 1, self.rows - 1])
        at = place * last
        low = at.floor().clamp(max=last)
        high, share = (low + 1).clamp(max=last).long(), (at - low)[..., None]
        low = low.long()
        upper = torch.lerp(self._cell(low[:, 0], low[:, 1]), self._cell(high[:, 0], low[:, 1]), share[:, 0])
        lower = torch.lerp(self._cell(low[:, 0], high[:, 1]), self._cell(high[:, 0], high[:, 1]), share[:, 0])
        return torch.where(whole[:, None], self.table.weight[0], torch.lerp(upper, lower, share[:, 1]))

    def _cell(self, column: Tensor, row: Tensor) -> Tensor:
        vectors: Tensor = self.table(1 + row * self.columns + column)
        return vectors
