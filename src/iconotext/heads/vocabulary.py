"""The head that guesses words."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn, zeros

from iconotext.heads.transform import Transform


class VocabularyHead(nn.Module):
    """Linear, GELU, layer norm, then the word table transposed with a free bias (Devlin et al., 2019)."""

    def __init__(self, width: int, words: nn.Embedding, eps: float) -> None:
        super().__init__()
        self.transform = Transform(width, words.embedding_dim, eps)
        self.bias = nn.Parameter(zeros(words.num_embeddings))
        self._words = [words]  # a list hides it from parameters(): the text embedding owns the table

    def forward(self, states: Float[Tensor, "P D"]) -> Float[Tensor, "P V"]:
        return nn.functional.linear(self.transform(states), self._words[0].weight, self.bias)
