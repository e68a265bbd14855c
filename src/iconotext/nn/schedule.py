"""A schedule is the list of sublayers that an encoder runs: what reads what, and which weights are one.

This file is data: it imports no torch. ``12 * joint_layer()`` is a single-stream BERT, ``n * twin_layer()`` a dual encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stream = Literal["text", "region"]
TEXT: tuple[Stream, ...] = ("text",)
REGION: tuple[Stream, ...] = ("region",)
BOTH: tuple[Stream, ...] = ("text", "region")


@dataclass(frozen=True)
class Attend:
    """One attention sublayer: what each stream reads; a stream that reads nothing passes through unchanged.

    ``tied``: both streams use the same projections, output and norm. ``width`` and ``heads`` default to the stream's own;
    ``region_width`` and ``region_heads`` are for regions that take others than words. ``gate``: what the words say on the
    whole scales the queries and keys of the regions (12-in-1's dynamic attention).
    """

    text: tuple[Stream, ...] = ()
    region: tuple[Stream, ...] = ()
    tied: bool = False
    width: int | None = None
    heads: int | None = None
    region_width: int | None = None
    region_heads: int | None = None
    gate: bool = False

    def size(self, stream: Stream) -> tuple[int | None, int | None]:
        """Width and heads of ``stream``; None where they are its own."""
        if stream == "text":
            return self.width, self.heads
        return self.region_width or self.width, self.region_heads or self.heads

    def reads(self, stream: Stream) -> tuple[Stream, ...]:
        """What ``stream`` reads."""
        return self.text if stream == "text" else self.region

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that this sublayer changes."""
        return tuple(s for s in BOTH if self.reads(s))

    @property
    def read(self) -> tuple[Stream, ...]:
        """The streams that are read by any."""
        return tuple(s for s in BOTH if s in self.text + self.region)


@dataclass(frozen=True)
class FeedForward:
    """One feed-forward sublayer on the named streams; ``tied`` streams use the same weights.

    ``hidden`` and ``region_hidden`` default to the streams' own.
    """

    streams: tuple[Stream, ...]
    tied: bool = False
    hidden: int | None = None
    region_hidden: int | None = None

    def size(self, stream: Stream) -> int | None:
        """Hidden width of ``stream``; None where it is its own."""
        return self.hidden if stream == "text" else self.region_hidden or self.hidden


Sublayer = Attend | FeedForward
Schedule = tuple[Sublayer, ...]


def text_layer() -> Schedule:
    """A BERT layer on the words."""
    return (Attend(text=TEXT), FeedForward(TEXT))


def region_layer() -> Schedule:
    """A BERT layer on the regions."""
    return (Attend(region=REGION), FeedForward(REGION))


def twin_layer() -> Schedule:
    """A BERT layer on each stream, with its own weights."""
    return (Attend(text=TEXT, region=REGION), FeedForward(BOTH))


def joint_layer() -> Schedule:
    """A BERT layer on words and regions together, with one set of weights."""
    return (Attend(text=BOTH, region=BOTH, tied=True), FeedForward(BOTH, tied=True))


def co_layer(width: int | None = None, heads: int | None = None) -> Schedule:
    """Each stream reads the other, with its own weights (ViLBERT's connection layer)."""
    return (Attend(text=REGION, region=TEXT, width=width, heads=heads), FeedForward(BOTH))


def cross_layer() -> Schedule:
    """Each stream reads the other with shared weights, then itself with its own (LXMERT's cross-modality layer)."""
    return (Attend(text=REGION, region=TEXT, tied=True), Attend(text=TEXT, region=REGION), FeedForward(BOTH))


def apart(schedule: Schedule) -> int:
    """How many sublayers come before the first in which a stream reads the other: what each side can compute alone."""
    meet = (isinstance(s, Attend) and (s.gate or "region" in s.text or "text" in s.region) for s in schedule)
    return next((index for index, meeting in enumerate(meet) if meeting), len(schedule))


def one_stream(schedule: Schedule) -> bool:
    """Whether in every layer all tokens of both streams read each other by the same weights, as in ``joint_layer``."""
    return all(
        layer.tied and (layer.streams == BOTH if isinstance(layer, FeedForward) else layer.text == layer.region == BOTH)
        for layer in schedule
    )


def separable(schedule: Schedule) -> bool:
    """Whether no stream ever reads the other, so that each side can be computed once and kept."""
    return apart(schedule) == len(schedule)
