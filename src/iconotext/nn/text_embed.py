"""The embedding of the words."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Text
from iconotext.nn.dropout import Dropout
from iconotext.nn.streams import Dims
from iconotext.nn.terms import Position, Segment, TextEmbedding, Word


class TextEmbedder(nn.Module):
    """The sum of a ``TextEmbedding``'s terms, layer norm, dropout (BERT)."""

    def __init__(self, embedding: TextEmbedding, dims: Dims, vocabulary: int) -> None:
        super().__init__()
        width = dims.width["text"]
        self.tables = nn.ModuleDict()
        self.first = 0
        for term in embedding.terms:
            if isinstance(term, Word):
                self.tables["word"] = nn.Embedding(vocabulary, width)
            elif isinstance(term, Position):
                self.tables["position"] = nn.Embedding(term.size, width, padding_idx=0 if term.fixed else None)
                self.first = term.first
            elif isinstance(term, Segment):
                self.tables["segment"] = nn.Embedding(term.size, width, padding_idx=0 if term.fixed else None)
        self.norm = nn.LayerNorm(width, eps=dims.eps)
        self.drop = Dropout(dims.dropout)

    @property
    def words(self) -> nn.Embedding:
        """The word table, to which the vocabulary head is tied."""
        table = self.tables["word"]
        assert isinstance(table, nn.Embedding)
        return table

    def forward(self, text: Text) -> Float[Tensor, "N D"]:
        indices = {"word": text.ids, "position": text.position + self.first, "segment": text.segment}
        parts = [table(indices[name]) for name, table in self.tables.items()]
        return self.drop(self.norm(sum(parts[1:], parts[0])))  # type: ignore[no-any-return]
