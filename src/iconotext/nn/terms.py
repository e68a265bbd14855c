"""The terms that a token's embedding is the sum of; data only, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LocationKind = Literal["none", "box4", "box5", "box7"]
LOCATION_WIDTH: dict[str, int] = {"none": 0, "box4": 4, "box5": 5, "box7": 7}


@dataclass(frozen=True)
class Word:
    """The word table."""


@dataclass(frozen=True)
class Position:
    """The learned absolute position table, ``size`` rows; every region has position 0 of an own one.

    Rows before ``first`` are passed over (RoBERTa counts from 2). ``fixed``: row 0, that of [CLS], gets no gradient (LXMERT).
    """

    size: int = 512
    first: int = 0
    fixed: bool = False


@dataclass(frozen=True)
class Segment:
    """The segment table; in a region embedding ``shared`` takes the text's table instead of an own one.

    ``fixed``: row 0 gets no gradient (LXMERT).
    """

    size: int = 2
    shared: bool = False
    fixed: bool = False


@dataclass(frozen=True)
class Feature:
    """A linear map of the region feature; ``masked`` says what stands for a hidden one.

    "zero": the zero vector. "learned": a learned vector of the feature's width, added to the zeroed feature.
    """

    norm: bool = False
    masked: Literal["zero", "learned"] = "zero"


@dataclass(frozen=True)
class Location:
    """A linear map of the location encoding."""

    kind: LocationKind
    norm: bool = False


@dataclass(frozen=True)
class LinkedPosition:
    """The mean of the text's position vectors at the words that name the region; nothing where no word does (VisualBERT)."""


TextTerm = Word | Position | Segment
RegionTerm = Feature | Location | Segment | Position | LinkedPosition


@dataclass(frozen=True)
class TextEmbedding:
    """The sum of the terms, then layer norm and dropout."""

    terms: tuple[TextTerm, ...] = (Word(), Position(), Segment())


@dataclass(frozen=True)
class RegionEmbedding:
    """The sum of the terms, then layer norm and dropout; no terms for a system that reads no regions.

    ``shared_norm`` takes the text's layer norm instead of an own one. ``mean`` takes the mean of the terms, each with its own
    norm, and no norm after it (LXMERT).
    """

    terms: tuple[RegionTerm, ...]
    shared_norm: bool = False
    mean: bool = False

    @property
    def location(self) -> LocationKind:
        """The location encoding that the embedding reads."""
        return next((term.kind for term in self.terms if isinstance(term, Location)), "none")
