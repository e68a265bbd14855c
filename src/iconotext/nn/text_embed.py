"""The embedding of the words."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from iconotext.core.batch import END, TASK, Text
from iconotext.nn.appearance import WordLooks
from iconotext.nn.dropout import Dropout
from iconotext.nn.streams import Dims
from iconotext.nn.terms import Modality, Position, Segment, TaskToken, TextEmbedding, WholeImage, Word


class TextEmbedder(nn.Module):
    """The sum of a ``TextEmbedding``'s terms, layer norm, dropout (BERT).

    ``looks`` is there where the words carry what their image looks like.
    """

    def __init__(self, embedding: TextEmbedding, dims: Dims, vocabulary: int) -> None:
        super().__init__()
        width = dims.width["text"]
        self.tables = nn.ModuleDict()
        self.first = 0
        for term in embedding.terms:
            if isinstance(term, Word):
                self.tables["word"] = nn.Embedding(vocabulary, width)
                if term.end:
                    self.end = nn.Embedding(1, width)
                if term.learned is not None:
                    self.tables["word"].requires_grad_(False)
                    self.learned = nn.Embedding(term.learned, width)
            elif isinstance(term, Position):
                self.tables["position"] = nn.Embedding(term.size, width, padding_idx=0 if term.fixed else None)
                self.first = term.first
            elif isinstance(term, Segment):
                self.tables["segment"] = nn.Embedding(term.size, width, padding_idx=0 if term.fixed else None)
            elif isinstance(term, TaskToken):
                self.tables["task"] = nn.Embedding(term.size, width)
            elif isinstance(term, Modality):
                self.tables["modality"] = nn.Embedding(term.size, width)
            elif isinstance(term, WholeImage):
                self.looks = WordLooks(term, dims)
        self.norm = nn.LayerNorm(width, eps=dims.eps)
        self.drop = Dropout(dims.dropout)

    @property
    def words(self) -> nn.Embedding:
        """The word table, to which the vocabulary head is tied."""
        table = self.tables["word"]
        assert isinstance(table, nn.Embedding)
        return table

    def _words(self, ids: Int[Tensor, "N"]) -> Float[Tensor, "N D"]:
        known = ids.clamp(min=0) if hasattr(self, "end") or "task" in self.tables else ids
        words: Tensor = self.tables["word"](known)
        if hasattr(self, "learned"):
            few = self.learned.num_embeddings
            words = torch.where((known < few)[:, None], self.learned(known.clamp(max=few - 1)), words)
        return torch.where((ids == END)[:, None], self.end.weight, words) if hasattr(self, "end") else words

    def forward(self, text: Text, looks: Float[Tensor, "N D"] | None = None) -> Float[Tensor, "N D"]:
        """The vectors of the words; ``looks`` is what each carries of its image, by a ``WholeImage`` term."""
        parts = [self._words(text.ids)] if "word" in self.tables else []
        for name, index in (("position", text.position + self.first), ("segment", text.segment)):
            if name in self.tables:
                parts.append(self.tables[name](index))
        if looks is not None:
            parts.append(looks)
        total = sum(parts[1:], parts[0])
        if "task" in self.tables:
            tasks = self.tables["task"]((TASK - text.ids).clamp(min=0))
            total = torch.where((text.ids <= TASK)[:, None], tasks, total)
        out: Tensor = self.drop(self.norm(total))
        return out + self.tables["modality"](text.ids.new_zeros(1)) if "modality" in self.tables else out
