"""A model that writes on a picture: words from left to right, each read off a [MASK] at the end of what stands."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from iconotext.core.batch import Batch, Text, some_tokens
from iconotext.data.collate import Seating
from iconotext.data.words import TokenTable, Words
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.models.task import TaskModel, writer_of
from iconotext.models.trunk import Trunk, device_of
from iconotext.nn.pattern import Geometry
from iconotext.nn.prefix import Prefix
from iconotext.nn.schedule import one_stream
from iconotext.objectives.caption import CaptionMLM, writing
from iconotext.tasks.beam import Found, Search, search

CHINESE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
"""Characters between which nobody puts a space."""


def writes(page: System) -> bool:
    """Whether a page learns to write: words masked from left to right after an image that comes first, in one stream."""
    alone = page.layout.image_first and not page.text.carries and one_stream(page.schedule)
    return alone and writing(page.mix) is not None


@dataclass(frozen=True)
class Writer:
    """Unified VLP's decoder (Zhou et al., AAAI 2020): a [MASK] after the words so far says which word comes next.

    The image and the words that stand are read once: their keys and values are kept. There are at most as many words as the
    page reads; [PAD], [UNK], [CLS] and [MASK] are never said. The model is taken as it is: put it in evaluation mode before.
    """

    trunk: Trunk
    head: nn.Module
    objective: CaptionMLM
    seats: Seating

    @classmethod
    def of(cls, model: PretrainModel | TaskModel, seats: Seating) -> Writer | None:
        """The writer in a model; None where it cannot write."""
        if not writes(model.system) or (isinstance(model, TaskModel) and model.task.head != "words"):
            return None
        objective = writer_of(model.system)
        head = model.head if isinstance(model, TaskModel) else model.heads[objective.name]
        return cls(model.trunk, head, objective, seats)

    @torch.no_grad()
    def write(self, images: Batch, how: Search) -> list[list[Found]]:
        """The texts found for each image, the best first; whatever words the rows of the batch have are left out."""
        vocab, device = self.seats.vocab, device_of(self.trunk)
        source = self._source(images)
        prefix = Prefix.read(self.trunk.encoder, self.trunk.embed(source), Geometry(source))
        position, segment = (places.to(device) for places in self._places())

        def step(words: Int[Tensor, "B K T"], parents: Int[Tensor, "B K"]) -> Float[Tensor, "B K V"]:
            nonlocal prefix
            begin, end = max(words.shape[-1] - 1, 0), words.shape[-1] + 1
            new = nn.functional.pad(words[..., begin:], (0, 1), value=vocab.mask)
            x = self._embedded(new, position[begin:end], segment[begin:end])
            states, prefix = prefix.rows(parents).grow(self.trunk.encoder, x)
            return self._scores(states[:, :, -1].flatten(0, 1)).view(*parents.shape, -1)

        never = {vocab.pad, vocab.unknown, vocab.begin, vocab.mask}
        return search(step, len(images), vocab.separator, self.seats.max_words, how, never, device)

    def _source(self, batch: Batch) -> Batch:
        """[CLS], the regions and the [SEP] between them and the words, in the segment that the objective gives them."""
        assert batch.text.source is not None
        kept = batch.text.source.nonzero()[:, 0]
        text = some_tokens(batch.text, kept, torch.searchsorted(kept, batch.text.offsets))
        more = self.objective.segments
        text = dataclasses.replace(text, segment=text.segment + more)
        region = dataclasses.replace(batch.region, segment=batch.region.segment + more)
        return dataclasses.replace(batch, text=text, region=region)

    def _places(self) -> tuple[Int[Tensor, "W"], Int[Tensor, "W"]]:
        """Position and segment of each word of a text."""
        most = self.seats.max_words
        text = self.seats.text(TokenTable(np.zeros(most, np.int32), np.zeros(most, np.int32), np.array([0, most])))
        assert text.source is not None
        own = ~text.source
        return text.position[own], text.segment[own] + self.objective.segments

    def _embedded(
        self, words: Int[Tensor, "B K Q"], position: Int[Tensor, "Q"], segment: Int[Tensor, "Q"]
    ) -> Float[Tensor, "B K Q D"]:
        ids = words.flatten()
        position, segment = (places.expand_as(words).flatten() for places in (position, segment))
        offsets = torch.arange(0, ids.numel() + 1, words.shape[-1], device=ids.device)
        special = torch.zeros_like(ids, dtype=torch.bool)
        text = Text(ids, position, segment, torch.zeros_like(ids), special, torch.full_like(ids, -1), offsets)
        return self.trunk.text(text).view(*words.shape, -1)  # type: ignore[no-any-return]

    def _scores(self, states: Float[Tensor, "N D"]) -> Float[Tensor, "N V"]:
        """Log probabilities, in float32."""
        with torch.autocast(states.device.type, enabled=False):
            return self.objective.logits(self.head, states.float(), self.objective.pattern).log_softmax(-1)


def text_of(words: Words, ids: Sequence[int]) -> str:
    """The text of some tokens, without spaces between Chinese characters."""
    return re.sub(f"(?<=[{CHINESE}]) (?=[{CHINESE}])", "", words.decode(ids))
