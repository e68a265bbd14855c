"""One encoder for every system: it runs a schedule of sublayers over the packed streams."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.utils.checkpoint import checkpoint

from iconotext.nn.attention import Attention
from iconotext.nn.feed_forward import FeedForwardSublayer
from iconotext.nn.pattern import Geometry
from iconotext.nn.schedule import BOTH, Attend, FeedForward, Schedule, Stream
from iconotext.nn.streams import Dims, Streams


class Encoder(nn.Module):
    """Runs ``schedule``; with ``recompute`` activations are thrown away and made again in the backward pass."""

    def __init__(self, schedule: Schedule, dims: Dims, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        self.sublayers = nn.ModuleList(
            Attention(layer, dims) if isinstance(layer, Attend) else FeedForwardSublayer(layer, dims)
            for layer in schedule
        )
        used = {s for layer in schedule for s in layer.streams} if dims.norm == "pre" else set()
        self.owner: dict[Stream, Stream] = {s: "text" if dims.last_norm == "one" else s for s in BOTH if s in used}
        self.last = nn.ModuleDict({s: nn.LayerNorm(dims.width[s], eps=dims.eps) for s in self.owner.values()})

    def forward(
        self,
        streams: Streams,
        geometry: Geometry,
        watch: Callable[[int, Streams], None] | None = None,
        begin: int = 0,
        end: int | None = None,
    ) -> Streams:
        """The streams after the last sublayer; ``watch`` is shown them after each.

        ``begin`` and ``end`` run a part of the schedule, so that what streams compute before they meet can be kept.
        """
        for index, sublayer in list(enumerate(self.sublayers))[begin:end]:
            arguments = (streams, geometry) if isinstance(sublayer, Attention) else (streams,)
            if self.recompute and self.training:
                streams = checkpoint(sublayer, *arguments, use_reentrant=False)
            else:
                streams = sublayer(*arguments)
            if watch is not None:
                watch(index, streams)
        if not self.last or end is not None:
            return streams
        return streams.replace({s: self.last[owner](streams[s]) for s, owner in self.owner.items()})


def sublayer_names(schedule: Schedule) -> list[str]:
    """What each sublayer does, in words, for the page of a system."""
    return [
        "feed-forward " + "+".join(layer.streams) + (" (tied)" if layer.tied else "")
        if isinstance(layer, FeedForward)
        else "attend " + ", ".join(f"{s} reads {'+'.join(layer.reads(s))}" for s in layer.streams)
        for layer in schedule
    ]
