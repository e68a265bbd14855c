"""From packed rows to the padded rectangles of an attention product and back, and who may look at whom.

Only the attention product sees padding; everything else in the model runs on real tokens. The moves in both directions
are gathers, forward and backward, because a scatter-add is several times slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from iconotext.core.batch import Batch, offsets_of
from iconotext.nn.schedule import Stream


@dataclass(frozen=True)
class Rectangle:
    """How the packed tokens of some streams fill B rows of one length L.

    ``source`` [B*L] names the packed token in each slot (any token in an empty one), ``slot`` [N] the slot of each packed
    token, ``filled`` [B, L] the slots that hold a token, ``order`` [B, L] the word's position, -1 for a region or a word of
    the source.
    """

    source: Int[Tensor, "S"]
    slot: Int[Tensor, "N"]
    filled: Bool[Tensor, "B L"]
    order: Int[Tensor, "B L"]
    full: bool

    def pad(self, packed: Float[Tensor, "N D"]) -> Float[Tensor, "B L D"]:
        """Packed tokens into the rectangle; an empty slot holds some token's numbers, which nothing may read."""
        shape = (*self.filled.shape, packed.shape[-1])
        if packed.shape[0] == 0:
            return packed.new_zeros(shape)
        return _Pad.apply(packed, self.source, self.slot).view(shape)  # type: ignore[no-any-return]

    def pack(self, padded: Float[Tensor, "B L D"]) -> Float[Tensor, "N D"]:
        """The filled slots of the rectangle as packed tokens."""
        return _Pack.apply(padded.reshape(-1, padded.shape[-1]), self.slot, self.full)  # type: ignore[no-any-return]


class _Pad(torch.autograd.Function):
    """Gather into slots; the gradient of a token is that of its one slot, since nothing reads an empty one."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, source: Tensor, slot: Tensor) -> Tensor:
        ctx.save_for_backward(slot)
        return packed.index_select(0, source)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slot,) = ctx.saved_tensors
        return grad.index_select(0, slot), None, None


class _Pack(torch.autograd.Function):
    """Gather out of slots; the gradient of an empty slot is zero."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, slot: Tensor, full: bool) -> Tensor:
        ctx.save_for_backward(slot)
        ctx.shape, ctx.full = padded.shape, full
        return padded.index_select(0, slot)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slot,) = ctx.saved_tensors
        out = grad.new_empty(ctx.shape) if ctx.full else grad.new_zeros(ctx.shape)
        return out.index_copy_(0, slot, grad), None, None


class Geometry:
    """The rectangles and masks of one batch, each made once, when a sublayer first asks for it."""

    def __init__(self, batch: Batch) -> None:
        self.pattern = batch.pattern
        self.offsets = {"text": batch.text.offsets, "region": batch.region.offsets}
        self._source = batch.text.source
        self._unread = None if batch.hidden_read else batch.region.masked
        self._order = batch.text.position if self._source is None else batch.text.position.masked_fill(self._source, -1)
        self._rectangles: dict[tuple[Stream, ...], Rectangle] = {}
        self._masks: dict[tuple[tuple[Stream, ...], tuple[Stream, ...], torch.dtype], Tensor | None] = {}

    def count(self, stream: Stream) -> int:
        """Real tokens of a stream in the whole batch."""
        return self._lengths(stream)[1]

    def _lengths(self, stream: Stream) -> tuple[Tensor, int]:
        lengths = self.offsets[stream].diff()
        return lengths, int(self.offsets[stream][-1])

    def rectangle(self, streams: tuple[Stream, ...]) -> Rectangle:
        """The rectangle of one stream, or of text then region in each row (packed: all text, then all regions)."""
        if streams not in self._rectangles:
            self._rectangles[streams] = self._build(streams)
        return self._rectangles[streams]

    def _build(self, streams: tuple[Stream, ...]) -> Rectangle:
        device = self.offsets["text"].device
        rows = torch.arange(self.offsets["text"].numel() - 1, device=device)
        begin = torch.zeros_like(rows)
        total = sum((self.offsets[s].diff() for s in streams), torch.zeros_like(rows))
        longest = int(total.max()) if total.numel() else 0
        slots, orders = [], []
        for stream in streams:
            lengths, count = self._lengths(stream)
            row = rows.repeat_interleave(lengths, output_size=count)
            within = torch.arange(count, device=device) - self.offsets[stream][:-1].index_select(0, row)
            slots.append(row * longest + begin.index_select(0, row) + within)
            orders.append(self._order if stream == "text" else torch.full_like(within, -1))
            begin = begin + lengths
        slot = torch.cat(slots)
        size = rows.numel() * longest
        source = torch.zeros(size, dtype=torch.long, device=device)
        source[slot] = torch.arange(slot.numel(), device=device)
        filled = torch.zeros(size, dtype=torch.bool, device=device)
        filled[slot] = True
        order = torch.full((size,), -1, dtype=torch.long, device=device)
        order[slot] = torch.cat(orders)
        shape = (rows.numel(), longest)
        return Rectangle(source, slot, filled.view(shape), order.view(shape), full=slot.numel() == size)

    def mask(
        self, queries: tuple[Stream, ...], keys: tuple[Stream, ...], dtype: torch.dtype
    ) -> Float[Tensor, "B 1 Q K"] | None:
        """What is added to the scores: 0 where a query may look, the dtype's lowest number where not.

        ``None`` when every query may look at every key. "seq2seq" (Unified VLP, UNIMO): regions and words of the source see
        each other, the other words see them and earlier words.
        """
        at = (queries, keys, dtype)
        if at not in self._masks:
            self._masks[at] = self._mask(queries, keys, dtype)
        return self._masks[at]

    def _mask(self, queries: tuple[Stream, ...], keys: tuple[Stream, ...], dtype: torch.dtype) -> Tensor | None:
        key = self.rectangle(keys)
        filled = key.filled if self._unread is None else key.filled & ~self._hidden(keys, self._unread)
        if self.pattern == "full":
            if key.full and self._unread is None:
                return None
            allowed = filled[:, None, None, :]
        else:
            query = self.rectangle(queries)
            earlier = key.order[:, None, :] <= query.order[:, :, None]
            allowed = (filled[:, None, :] & earlier)[:, None]
        return torch.zeros_like(allowed, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)

    def _hidden(self, streams: tuple[Stream, ...], unread: Bool[Tensor, "M"]) -> Bool[Tensor, "B L"]:
        """The slots of a rectangle that hold a region which no token reads."""
        rectangle = self.rectangle(streams)
        none = unread.new_zeros(self.count("text"))
        marked = torch.cat([unread if stream == "region" else none for stream in streams])
        slots = torch.zeros_like(rectangle.filled).flatten()
        return slots.index_copy(0, rectangle.slot, marked).view_as(rectangle.filled)

    def blind(self, stream: Stream, keys: tuple[Stream, ...]) -> Bool[Tensor, "N 1"] | None:
        """The tokens of ``stream`` that may read nothing of ``keys`` in their row, or ``None`` when there are none."""
        total: Tensor = sum((self._seen(s, stream) for s in keys), torch.zeros_like(self.offsets[stream][:-1]))
        empty = total == 0
        if not bool(empty.any()):
            return None
        lengths, count = self._lengths(stream)
        return empty.repeat_interleave(lengths, output_size=count)[:, None]

    def _seen(self, keys: Stream, stream: Stream) -> Int[Tensor, "B"]:
        """How many tokens of ``keys`` the tokens of ``stream`` may read in each row, at most."""
        if keys == "region" and self._unread is not None:
            return offsets_of((~self._unread).long()).index_select(0, self.offsets[keys]).diff()
        if self.pattern == "full" or stream == "text" or keys == "region":
            return self.offsets[keys].diff()
        offsets = self.offsets["text"]
        source = torch.zeros_like(self._order) if self._source is None else self._source.long()
        return offsets_of(source).index_select(0, offsets).diff()
