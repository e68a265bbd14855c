"""Every text with every image: the score of all pairs, each image's regions read once.

What a stream computes before the streams meet (its embedding, and ViLBERT's first text layers) is computed once for each
text and each image and not for each pair; of a dual encoder that is everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from iconotext.core.batch import Batch, Encoded, Region, Text, offsets_of
from iconotext.core.errors import DataError
from iconotext.data.collate import Seating, no_regions
from iconotext.data.store import RegionStore
from iconotext.data.words import TokenTable
from iconotext.models.trunk import Trunk, device_of
from iconotext.nn.pattern import Geometry
from iconotext.nn.schedule import Stream
from iconotext.nn.streams import Streams
from iconotext.train.config import Precision
from iconotext.train.precision import autocast

IMAGES = 256
"""Images whose regions are held at a time."""

Score = Callable[[Encoded], Tensor]
"""From encoded pairs to their scores [P]."""


@dataclass(frozen=True)
class Half:
    """One stream of some rows: its layout, and its states as far as they do not depend on the other stream."""

    part: Text | Region
    states: Float[Tensor, "N D"]

    def __len__(self) -> int:
        return self.part.offsets.numel() - 1

    def rows(self, chosen: Int[Tensor, "P"]) -> Half:
        """Some of the rows in the order given; they may repeat."""
        lengths = self.part.offsets.diff()[chosen]
        offsets = offsets_of(lengths)
        shift = self.part.offsets[:-1][chosen] - offsets[:-1]
        index = torch.arange(int(offsets[-1]), device=offsets.device) + shift.repeat_interleave(lengths)
        tokens = (field.name for field in dataclasses.fields(self.part) if field.name != "offsets")
        taken = {name: getattr(self.part, name).index_select(0, index) for name in tokens}
        return Half(dataclasses.replace(self.part, **taken, offsets=offsets), self.states.index_select(0, index))


@dataclass(frozen=True)
class Exhaustive:
    """Scores texts with images; ``batch`` is the pairs of one forward pass.

    The model is taken as it is: put it in evaluation mode before.
    """

    trunk: Trunk
    score: Score
    seats: Seating
    store: RegionStore
    precision: Precision
    batch: int = 256

    def matrix(
        self, texts: TokenTable, images: Sequence[str], done: Callable[[int], object] = lambda pairs: None
    ) -> Float[np.ndarray, "N M"]:
        """The score of each text with each image, in float32; ``done`` hears of the pairs that were scored, as it goes.

        Raises:
            DataError: a score is not finite.
        """
        out = np.empty((len(texts), len(images)), np.float32)
        by_length = _cut(np.argsort(texts.lengths, kind="stable"), self.batch)
        by_regions = _cut(np.argsort(self.store.counts[self.store.rows(images)], kind="stable"), IMAGES)
        with torch.inference_mode(), autocast(self.precision, device_of(self.trunk)):
            for block in by_regions:
                regions = self.images([images[i] for i in block])
                for chunk in by_length:
                    words = self.texts(texts.rows(chunk))
                    for some in _cut(np.arange(len(block)), max(1, self.batch // len(chunk))):
                        found = self.pairs(words, regions, torch.from_numpy(some))
                        out[np.ix_(chunk, block[some])] = found.float().cpu().numpy()
                        done(found.numel())
        if not np.isfinite(out).all():
            raise DataError("The model gives scores that are not finite: train it again with a lower learning rate.")
        return out

    def texts(self, tokens: TokenTable) -> Half:
        """Texts, up to where they would read regions."""
        return self._half("text", self.seats.text(tokens), self._no_regions(len(tokens)))

    def images(self, images: Sequence[str]) -> Half:
        """The regions of images, up to where they would read words."""
        none = np.zeros(0, np.int32)
        empty = self.seats.text(TokenTable(none, none, np.zeros(1, np.int64)))
        text = dataclasses.replace(empty, offsets=torch.zeros(len(images) + 1, dtype=torch.long))
        half = self._half("region", text, self.seats.region(self.store.gather(images)))
        if not self.trunk.embeds_apart:
            return half
        # Features have become states; without them the layout is small enough to be repeated for every text.
        bare = {name: getattr(half.part, name)[:, :0] for name in ("features", "class_probs")}
        return Half(dataclasses.replace(half.part, **bare), half.states)

    def pairs(self, words: Half, regions: Half, images: Int[Tensor, "P"]) -> Float[Tensor, "N P"]:
        """The scores of all the texts with some of the images."""
        device = words.states.device
        text = words.rows(torch.arange(len(words), device=device).repeat(len(images)))
        region = regions.rows(images.to(device).repeat_interleave(len(words)))
        assert isinstance(text.part, Text)
        assert isinstance(region.part, Region)
        batch = _batch(text.part, region.part)
        own = self.trunk.embeds_apart
        begin = Streams.of(text.states, region.states) if own else self.trunk.embed(batch)
        end = self.trunk.encoder(begin, Geometry(batch), begin=self.trunk.apart)
        scores = self.score(Encoded(end["text"], end["region"], text.part.offsets, region.part.offsets))
        return scores.view(len(images), len(words)).t()

    def _half(self, stream: Stream, text: Text, region: Region) -> Half:
        batch = _batch(text, region).to(device_of(self.trunk))
        streams = self.trunk.embed(batch)
        streams = self.trunk.encoder(streams, Geometry(batch), end=self.trunk.apart)
        return Half(batch.text if stream == "text" else batch.region, streams[stream])

    def _no_regions(self, rows: int) -> Region:
        return self.seats.region(no_regions(rows, self.store.gather([])))


def _batch(text: Text, region: Region) -> Batch:
    rows = torch.arange(text.offsets.numel() - 1, device=text.offsets.device)
    return Batch(text, region, torch.ones_like(rows, dtype=torch.bool), rows)


def _cut(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [order[begin : begin + size] for begin in range(0, len(order), size)]
