"""The flags of the verbs that take a model to raw pictures, and whether what they name is here: told without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from tyro.conf import Positional

from iconotext.recipes.needs import require_model


@dataclass(frozen=True)
class SearchOptions:
    """Score every picture of a folder with a text and list the best; exhaustive, so its time grows with the folder."""

    run: Positional[Path]
    """A pre-trained model's folder."""
    folder: Positional[Path]
    """Pictures, also in sub-folders."""
    query: Positional[str]
    """What to look for."""
    top: int = 10
    """How many to list."""
    batch: int = 64
    """Pictures of one forward pass."""
    json: bool = False
    """Print JSON lines instead of a table."""


@dataclass(frozen=True)
class AnswerOptions:
    """Answer a question on a picture with a model made by `iconotext finetune vqa` or `iconotext finetune gqa`."""

    run: Positional[Path]
    """The model's folder."""
    picture: Positional[Path]
    """The picture."""
    question: Positional[str]
    """What to ask."""
    top: int = 5
    """How many answers to list."""
    out: Path | None = None
    """Draw the picture with its answers into this file."""
    json: bool = False
    """Print JSON lines instead of a table."""


@dataclass(frozen=True)
class ChooseOptions:
    """Choose the answer to a question on a picture with a model made by `iconotext finetune choices`."""

    run: Positional[Path]
    """The model's folder."""
    picture: Positional[Path]
    """The picture."""
    question: Positional[str]
    """What to ask."""
    answers: tuple[str, ...]
    """The answers to choose among, two or more."""
    out: Path | None = None
    """Draw the picture with its answers into this file."""
    json: bool = False
    """Print JSON lines instead of a table."""


@dataclass(frozen=True)
class GroundOptions:
    """Find what a description means in a picture with a model made by `iconotext finetune expressions`."""

    run: Positional[Path]
    """The model's folder."""
    picture: Positional[Path]
    """The picture."""
    expression: Positional[str]
    """The description, such as "the red car on the left"."""
    out: Path = Path("found.png")
    """Draw the picture with the box into this file."""
    json: bool = False
    """Print a line of JSON instead of a table."""


@dataclass(frozen=True)
class PhrasesOptions:
    """Find what each phrase of a sentence means in a picture with a model made by `iconotext finetune grounding`."""

    run: Positional[Path]
    """The model's folder."""
    picture: Positional[Path]
    """The picture."""
    sentence: Positional[str]
    """The sentence with its phrases in brackets, such as "[a red car] left of [two dogs]"."""
    out: Path = Path("found.png")
    """Draw the picture with the boxes and the phrases into this file."""
    json: bool = False
    """Print JSON lines instead of a table."""


@dataclass(frozen=True)
class CompareOptions:
    """Say whether a statement is true of two pictures with a model made by `iconotext finetune statements`."""

    run: Positional[Path]
    """The model's folder."""
    left: Positional[Path]
    """The left picture."""
    right: Positional[Path]
    """The right picture."""
    statement: Positional[str]
    """The statement."""
    out: Path | None = None
    """Draw the two pictures with the verdict into this file."""
    json: bool = False
    """Print a line of JSON instead of a table."""


@dataclass(frozen=True)
class RankOptions:
    """Order products by how relevant they are to a query with a model made by `iconotext finetune relevance`."""

    run: Positional[Path]
    """The model's folder."""
    query: Positional[str]
    """What is searched."""
    products: Positional[Path]
    """A folder of pictures, or a .csv with the columns `picture` (from the .csv's folder) and `title`; either may be empty."""
    top: int = 10
    """How many to list."""
    out: Path | None = None
    """Draw the first products in their order into this file."""
    json: bool = False
    """Print JSON lines instead of a table."""


@runtime_checkable
class Takes(Protocol):
    """Flags that name a model."""

    @property
    def run(self) -> Path:
        """Its folder."""
        ...


def require(options: Takes) -> None:
    """Look for the model, and for the weights of the detector that made its features.

    Raises:
        MissingPiece: they are not here.
    """
    require_model(options.run)
