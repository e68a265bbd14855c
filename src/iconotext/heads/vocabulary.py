"""The head that guesses words."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn, zeros

from iconotext.heads.transform import Transform


class VocabularyHead(nn.Module):
    """Linear, GELU, layer norm, then the word table transposed with a free bias (Devlin et al., 2019).

    With several ``projections`` the hidden step makes that many vectors, of which a call takes one (Unified VLP).
    """

    def __init__(self, width: int, words: nn.Embedding, eps: float, projections: int = 1) -> None:
        super().__init__()
        self.transform = Transform(width, projections * words.embedding_dim, eps)
        self.bias = nn.Parameter(zeros(words.num_embeddings))
        self._words = [words]  # a list hides it from parameters(): the text embedding owns the table

    def forward(self, states: Float[Tensor, "P D"], projection: int = 0) -> Float[Tensor, "P V"]:
        width = self._words[0].embedding_dim
        hidden = self.transform(states)[:, projection * width : (projection + 1) * width]
        return nn.functional.linear(hidden, self._words[0].weight, self.bias)
