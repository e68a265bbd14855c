"""The head of a dual encoder: both sides in one space, where nearness means belonging together."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Encoded
from iconotext.heads.pool import first

HIGHEST = math.log(100.0)
"""Of the scale, so that the temperature stays at 0.01 or above (Radford et al., ICML 2021)."""


class Towers(nn.Module):
    """The first token of each stream through an own linear map, normalised to length 1; a learned temperature."""

    def __init__(self, text_width: int, region_width: int, width: int, temperature: float) -> None:
        super().__init__()
        self.text = nn.Linear(text_width, width, bias=False)
        self.region = nn.Linear(region_width, width, bias=False)
        self.scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def texts(self, encoded: Encoded) -> Float[Tensor, "B P"]:
        """The vector of each row's text."""
        return nn.functional.normalize(self.text(first(encoded.text, encoded.text_offsets).float()), dim=-1)

    def images(self, encoded: Encoded) -> Float[Tensor, "B P"]:
        """The vector of each row's image."""
        return nn.functional.normalize(self.region(first(encoded.region, encoded.region_offsets).float()), dim=-1)

    def pairs(self, encoded: Encoded) -> Float[Tensor, "B"]:
        """The cosine of each row's own text and image."""
        return (self.texts(encoded) * self.images(encoded)).sum(-1)

    def forward(self, encoded: Encoded) -> Float[Tensor, "B B2"]:
        """The score of every text with every image: cosine over temperature."""
        return self.scale.clamp(max=HIGHEST).exp() * self.texts(encoded) @ self.images(encoded).t()
