"""The terms that a token's embedding is the sum of; data only, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

LocationKind = Literal["none", "box4", "box5", "box6", "box7", "sincos", "slide"]
LOCATION_WIDTH: dict[str, int] = {"none": 0, "box4": 4, "box5": 5, "box6": 6, "box7": 7, "sincos": 4, "slide": 2}


@dataclass(frozen=True)
class Word:
    """The word table.

    ``end`` adds a vector for [END], which stands outside of the vocabulary. With ``learned`` only so many of the first ids
    learn, in a table of their own; the rest stays as it was given (VL-BERT's frozen words).
    """

    end: bool = False
    learned: int | None = None


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

    "zero": the zero vector. "learned": a learned vector of the feature's width, added to the zeroed feature. "absent": neither
    its feature nor its location adds anything. With ``relu``
    a ReLU and dropout follow, after a layer of ``hidden`` width with its own ReLU where that is given (Unified VLP).
    ``whole`` "learned" has a learned vector stand for the feature of the whole image (ViLT).
    """

    norm: bool = False
    masked: Literal["zero", "learned", "absent"] = "zero"
    whole: Literal["mapped", "learned"] = "mapped"
    relu: bool = False
    hidden: int | None = None


@dataclass(frozen=True)
class Location:
    """A linear map of the location encoding.

    With ``relu`` a ReLU and dropout follow. ``class_probs`` puts the detector's classes beside the encoding; each of the two
    is brought to mean 0 and deviation 1 before (Unified VLP).
    """

    kind: LocationKind
    norm: bool = False
    relu: bool = False
    class_probs: bool = False


@dataclass(frozen=True)
class LinkedPosition:
    """The mean of the text's position vectors at the words that name the region; nothing where no word does (VisualBERT)."""


Gain = Literal["norm", "scale"]
"""How much of a region's appearance is taken: by a layer norm ("norm") or by one number ("scale")."""


@dataclass(frozen=True)
class Appearance:
    """Location and feature side by side, through dropout, one linear map and a ReLU to ``width`` (None: the stream's).

    The location is taken as ``sines`` sines and as many cosines of each of its numbers; a learned vector stands for the
    feature of a hidden region. What comes out is taken by a ``gain`` whose weight begins at ``begin`` (VL-BERT).
    """

    kind: LocationKind = "sincos"
    sines: int = 256
    width: int | None = None
    gain: Gain = "norm"
    begin: float = 0.0


@dataclass(frozen=True)
class WholeImage:
    """Each word also carries the ``Appearance`` of its image's first region, or of the region that it names (VL-BERT).

    ``region`` "last" takes the last region instead of the first (VOLTA's VL-BERT).

    ``width`` is the appearance's (None: the stream's). With ``alone`` a learned vector stands for it in a row without
    regions; [END] carries nothing.
    """

    width: int | None = None
    gain: Gain = "norm"
    begin: float = 0.0
    alone: bool = False
    region: Literal["first", "last"] = "first"


@dataclass(frozen=True)
class ImageToken:
    """The special word [IMG] that every region is, and with ``hidden`` another that a hidden region is (VL-BERT).

    With ``end`` a third is the region that the first word carries, by default the last: it stands for [END], one place after
    the others where they stand after the words (VOLTA's VL-BERT).
    """

    hidden: bool = True
    end: bool = False


@dataclass(frozen=True)
class AfterWords:
    """The text's position vector of the place after the row's words, the same for all its regions (VL-BERT)."""


@dataclass(frozen=True)
class TaskToken:
    """A vector for each of ``size`` tasks, which stands for the sum of the other terms where the batch has a task's token.

    The token has neither position nor segment, and no word counts it (12-in-1). ``tasks`` numbers the tasks known here.
    """

    size: int = 20
    tasks: tuple[tuple[str, int], ...] = (
        ("vqa", 1),
        ("choices", 5),
        ("retrieval", 8),
        ("expressions", 9),
        ("statements", 12),
        ("entailment", 13),
        ("gqa", 15),
        ("grounding", 18),
    )


@dataclass(frozen=True)
class GridPosition:
    """A learned vector for each cell of a grid that is stretched over the picture, and one for the whole image (ViLT)."""

    rows: int
    columns: int
    kind: ClassVar[LocationKind] = "slide"


@dataclass(frozen=True)
class Modality:
    """A table that both streams share, added after norm and dropout: words take row 0, regions that of their segment (ViLT)."""

    size: int = 2


@dataclass(frozen=True)
class LinkedRegion:
    """The tanh of the vector of the region that a word names, added after norm and dropout (B2T2).

    A word that names none has the tanh of the vector of a region of zeros, as in the code.
    """


TextTerm = Word | Position | Segment | WholeImage | TaskToken | Modality | LinkedRegion
RegionTerm = (
    Feature
    | Location
    | Segment
    | Position
    | LinkedPosition
    | Appearance
    | ImageToken
    | AfterWords
    | GridPosition
    | Modality
)


@dataclass(frozen=True)
class TextEmbedding:
    """The sum of the terms, then layer norm and dropout."""

    terms: tuple[TextTerm, ...] = (Word(), Position(), Segment())

    @property
    def carries(self) -> bool:
        """Whether words carry something of their image before the encoder begins."""
        return any(isinstance(term, WholeImage | LinkedRegion) for term in self.terms)


@dataclass(frozen=True)
class RegionEmbedding:
    """The sum of the terms, then layer norm and dropout; no terms for a system that reads no regions.

    ``shared_norm`` takes the text's layer norm instead of an own one. ``like_text``: own position and segment tables begin as
    copies of the text's (VisualBERT). ``mean`` takes the mean of the terms, each with its own norm, and no norm after it
    (LXMERT); without ``norm`` there is none after the sum either (ViLT).
    """

    terms: tuple[RegionTerm, ...]
    shared_norm: bool = False
    like_text: bool = False
    mean: bool = False
    norm: bool = True

    @property
    def location(self) -> LocationKind:
        """The location encoding that the embedding reads."""
        return next(
            (term.kind for term in self.terms if isinstance(term, Location | Appearance | GridPosition)), "none"
        )
