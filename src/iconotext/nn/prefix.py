"""Rows that grow word by word: what stands is read once, and a new word reads the keys and values that were kept of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from iconotext.nn.attention import Attention, Memory
from iconotext.nn.encoder import Encoder
from iconotext.nn.pattern import Geometry
from iconotext.nn.schedule import BOTH
from iconotext.nn.streams import Streams


@dataclass(frozen=True)
class Prefix:
    """What the words to come read, under the pattern "seq2seq" of an encoder whose schedule is ``one_stream``.

    For each attention in order: the memory of each image's ``source`` [B, H, L, E], which all K rows of the image share, and
    that of the ``words`` of each row [B, K, H, T, E], none at first. ``there`` is 0 at the slots of the source that hold a
    token, and the lowest number elsewhere.
    """

    source: tuple[Memory, ...]
    there: Float[Tensor, "B 1 1 1 L"]
    words: tuple[Memory, ...] = ()

    @classmethod
    def read(cls, encoder: Encoder, streams: Streams, geometry: Geometry) -> Prefix:
        """The source of each row: its regions and words, which all read each other."""
        rectangle, before = geometry.rectangle(BOTH), [streams]
        encoder(streams, geometry, watch=lambda index, after: before.append(after))
        layers = zip(encoder.sublayers, before)
        memories = [layer.memory(read.joint, rectangle) for layer, read in layers if isinstance(layer, Attention)]
        kind = memories[0].keys
        there = kind.new_zeros(rectangle.filled.shape).masked_fill(~rectangle.filled, torch.finfo(kind.dtype).min)
        return cls(tuple(memories), there[:, None, None, None])

    def rows(self, chosen: Int[Tensor, "B K"]) -> Prefix:
        """The rows of each image exchanged for some of them, which may repeat."""
        image = torch.arange(len(chosen), device=chosen.device)[:, None]
        words = (Memory(memory.keys[image, chosen], memory.values[image, chosen]) for memory in self.words)
        return replace(self, words=tuple(words))

    def grow(self, encoder: Encoder, x: Float[Tensor, "B K Q D"]) -> tuple[Float[Tensor, "B K Q D"], Prefix]:
        """The last states of Q more tokens of each row, and the prefix with all but the last of them."""
        words, shape = [], x.shape
        before = iter(zip(self.source, self.words or (None,) * len(self.source)))
        for layer in encoder.sublayers:
            if isinstance(layer, Attention):
                source, own = next(before)
                x, memory = layer.grow(x, source, self.there, own)
                words.append(memory)
            else:
                flat = x.flatten(0, 2)
                x = layer(Streams.of(flat, flat[:0])).joint.view(shape)
        if "text" in encoder.owner:
            x = encoder.last[encoder.owner["text"]](x)
        return x, replace(self, words=tuple(words))
