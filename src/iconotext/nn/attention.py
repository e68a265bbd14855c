"""The attention sublayer: projections on real tokens, a padded product, output, residual and norm."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import row_of
from iconotext.core.errors import ConfigError
from iconotext.nn.dropout import Dropout
from iconotext.nn.pattern import Geometry, Rectangle
from iconotext.nn.schedule import BOTH, Attend, Stream
from iconotext.nn.streams import Dims, Streams


class Product(nn.Module):
    """softmax(q k / sqrt(d) + mask) v for H heads.

    On a CPU plain matrix products, whose backward is about twice as fast as that of the fused kernel at these lengths (tens
    of tokens); elsewhere torch's scaled_dot_product_attention.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.drop = Dropout(dropout)

    def forward(
        self,
        q: Float[Tensor, "B H Q E"],
        k: Float[Tensor, "B H K E"],
        v: Float[Tensor, "B H K E"],
        mask: Float[Tensor, "B 1 P K"] | None,
    ) -> Float[Tensor, "B H Q E"]:
        if q.device.type != "cpu":
            rate = self.drop.rate if self.training else 0.0
            return nn.functional.scaled_dot_product_attention(q, k, v, mask, rate)
        scores = torch.matmul(q * (1.0 / math.sqrt(q.shape[-1])), k.transpose(-1, -2))
        if mask is not None:
            scores = scores + mask
        return torch.matmul(self.drop(scores.softmax(-1)), v)


class Memory(NamedTuple):
    """The keys and values of tokens that others will read, by row and head."""

    keys: Float[Tensor, "*B H L E"]
    values: Float[Tensor, "*B H L E"]


class Attention(nn.Module):
    """One ``Attend`` of a schedule.

    Each stream has one projection to the queries, keys and values that somebody needs of it: a stream that only reads has no
    keys. A token whose row has nothing to read passes through unchanged.
    """

    def __init__(self, layer: Attend, dims: Dims) -> None:
        super().__init__()
        self.layer = layer
        self.order = dims.norm
        self.shared = layer.tied and dims.equal
        if layer.tied and not dims.equal:
            raise ConfigError(
                "A tied attention needs streams of one width; give both the same width, heads and hidden."
            )
        self.one = self.shared and layer.text == layer.region == BOTH
        self.parts: dict[Stream, tuple[bool, bool]] = {
            s: (bool(layer.reads(s)), s in layer.read) for s in ("text", "region") if layer.reads(s) or s in layer.read
        }
        owners: tuple[Stream, ...] = ("text",) if self.shared else tuple(self.parts)
        self.width = {s: layer.size(s)[0] or dims.width[s] for s in self.parts}
        self.heads = {s: layer.size(s)[1] or dims.heads[s] for s in self.parts}
        if any(self.width[s] != self.width[r] for s in layer.streams for r in layer.reads(s)):
            raise ConfigError("A stream reads another of a different width; give the Attend a width and heads.")
        self.project = nn.ModuleDict()
        self.output = nn.ModuleDict()
        self.norm = nn.ModuleDict()
        for s in owners:
            reads, read = (True, True) if self.shared else self.parts[s]
            self.project[s] = nn.Linear(dims.width[s], self.width[s] * (reads + 2 * read))
            if reads:
                self.output[s] = nn.Linear(self.width[s], dims.width[s])
                self.norm[s] = nn.LayerNorm(dims.width[s], eps=dims.eps)
        if layer.gate:
            self.gate = nn.Linear(dims.width["text"], 2 * self.width["region"])
        self.product = Product(dims.attention_dropout)
        self.drop = Dropout(dims.dropout)

    def forward(self, streams: Streams, geometry: Geometry) -> Streams:
        if self.one:
            x = streams.joint
            context = self._context("text", self._project("text", x), geometry)
            return streams.with_joint(self._close("text", x, context))
        projected = self._projected(streams)
        if self.layer.gate:
            projected["region"] = self._gated(projected["region"], streams["text"], geometry)
        changed: dict[Stream, Tensor] = {}
        for s in self.layer.streams:
            x = streams[s]
            if x.shape[0] == 0:
                continue
            y = self._close(s, x, self._read(s, projected, geometry))
            blind = geometry.blind(s, self.layer.reads(s))
            changed[s] = y if blind is None else torch.where(blind, x.to(y.dtype), y)
        return streams.replace(changed)

    def memory(self, x: Float[Tensor, "N D"], rectangle: Rectangle) -> Memory:
        """The keys and values of the tokens of both streams, which have one set of weights."""
        rows, length = rectangle.filled.shape
        keys_values = self._project("text", x)[:, self.width["text"] :]
        k, v = rectangle.pad(keys_values).view(rows, length, 2, self.heads["text"], -1).permute(2, 0, 3, 1, 4)
        return Memory(k, v)

    def grow(
        self, x: Float[Tensor, "B K Q D"], source: Memory, there: Float[Tensor, "B 1 1 1 L"], before: Memory | None
    ) -> tuple[Float[Tensor, "B K Q D"], Memory]:
        """Q more tokens of K rows of each source: a token reads the source, what came ``before`` it in its row, and itself.

        ``there`` is added to the scores of the source, to leave out its empty slots. Also gives what comes before the tokens of
        the next step: all but the last one, whose place is taken then.
        """
        heads, flat = self.heads["text"], x.flatten(0, 2)
        q, k, v = self._project("text", flat).view(*x.shape[:3], 3, heads, -1).permute(3, 0, 1, 4, 2, 5)
        own = Memory(k, v) if before is None else Memory(*(torch.cat(parts, 3) for parts in zip(before, (k, v))))
        q = q * (1.0 / math.sqrt(q.shape[-1]))
        scores = torch.einsum("bkhqe,bhle->bkhql", q, source.keys) + there
        mine = torch.matmul(q, own.keys.transpose(-1, -2))
        later = torch.ones_like(mine, dtype=torch.bool).triu(mine.shape[-1] - x.shape[2] + 1)
        shares = torch.cat([scores, mine.masked_fill(later, torch.finfo(mine.dtype).min)], -1).softmax(-1)
        first, second = torch.split(shares, [scores.shape[-1], mine.shape[-1]], -1)
        read = torch.einsum("bkhql,bhle->bkhqe", first, source.values) + torch.matmul(second, own.values)
        context = read.transpose(2, 3).reshape(flat.shape[0], -1)
        return self._close("text", flat, context).view(x.shape), Memory(*(part[:, :, :, :-1] for part in own))

    def _projected(self, streams: Streams) -> dict[Stream, Tensor]:
        """Queries, keys and values of each stream; of tied streams in one matrix product."""
        if not self.shared:
            return {s: self._project(s, streams[s]) for s in self.parts}
        lengths = [streams[s].shape[0] for s in BOTH]
        return dict(zip(BOTH, torch.split(self._project("text", streams.joint), lengths)))

    def _gated(self, qkv: Tensor, words: Float[Tensor, "N D"], geometry: Geometry) -> Tensor:
        """Queries and keys of the regions scaled by 1 to 2, by the mean of their row's words."""
        offsets = geometry.offsets["text"]
        total = words.new_zeros(offsets.numel() - 1, words.shape[1]).index_add_(0, row_of(offsets), words)
        scales = 1 + torch.sigmoid(self.gate(total / offsets.diff().clamp(min=1)[:, None]))
        scales = torch.cat([scales, torch.ones_like(scales[:, : self.width["region"]])], dim=1)
        return qkv * scales[row_of(geometry.offsets["region"])]

    def _owner(self, stream: Stream) -> Stream:
        return "text" if self.shared else stream

    def _project(self, stream: Stream, x: Float[Tensor, "N D"]) -> Float[Tensor, "N P"]:
        owner = self._owner(stream)
        if self.order == "pre" and owner in self.norm:
            x = self.norm[owner](x)
        return self.project[owner](x)  # type: ignore[no-any-return]

    def _context(self, stream: Stream, qkv: Tensor, geometry: Geometry) -> Tensor:
        """Self-attention of the streams that ``stream`` reads, run as one."""
        reads = self.layer.reads(stream)
        rectangle = geometry.rectangle(reads)
        rows, length = rectangle.filled.shape
        width, heads = self.width[stream], self.heads[stream]
        q, k, v = rectangle.pad(qkv).view(rows, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        out = self.product(q, k, v, geometry.mask(reads, reads, q.dtype))
        return rectangle.pack(out.transpose(1, 2).reshape(rows, length, width))

    def _read(self, stream: Stream, projected: dict[Stream, Tensor], geometry: Geometry) -> Tensor:
        reads = self.layer.reads(stream)
        if reads == (stream,):
            return self._context(stream, projected[stream], geometry)
        width, heads = self.width[stream], self.heads[stream]
        mine, theirs = geometry.rectangle((stream,)), geometry.rectangle(reads)
        keys = torch.cat([projected[s][:, -2 * width :] for s in reads])
        if keys.shape[0] == 0:
            return projected[stream].new_zeros(projected[stream].shape[0], width)
        rows = mine.filled.shape[0]
        q = mine.pad(projected[stream][:, :width]).view(rows, -1, heads, width // heads).transpose(1, 2)
        k, v = theirs.pad(keys).view(rows, -1, 2, heads, width // heads).permute(2, 0, 3, 1, 4)
        out = self.product(q, k, v, geometry.mask((stream,), reads, q.dtype))
        return mine.pack(out.transpose(1, 2).reshape(rows, -1, width))

    def _close(self, stream: Stream, x: Tensor, context: Tensor) -> Tensor:
        owner = self._owner(stream)
        y = x + self.drop(self.output[owner](context))
        return y if self.order == "pre" else self.norm[owner](y)  # type: ignore[no-any-return]
