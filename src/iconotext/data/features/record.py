"""What every reader of features gives: one image's regions as its file stores them, and a way to go through all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import DataError, MissingPiece
from iconotext.data.shard import F32, I64

Size: TypeAlias = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """The regions of one image in stored order, nothing sorted, clipped or filled up; None is what the format does not store.

    ``features`` [R, F], ``boxes`` [R, 4] in pixels of the image, ``shares`` [R, 4] the boxes divided by its ``size``
    (width, height). ``class_probs`` [R, C] has the background at index 0 where ``background``, else none at all;
    ``attribute_probs`` [R, A] has "no attribute" at index 0. ``classes`` and ``attributes`` [R] count without those two.
    ``extra`` holds what else a format has, under its own name.
    """

    image_id: str
    features: F32
    boxes: F32 | None = None
    shares: F32 | None = None
    size: Size | None = None
    class_probs: F32 | None = None
    background: bool = True
    attribute_probs: F32 | None = None
    classes: I64 | None = None
    class_scores: F32 | None = None
    attributes: I64 | None = None
    attribute_scores: F32 | None = None
    scores: F32 | None = None
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ``DataError`` where arrays contradict each other or hold numbers that are none."""
        if self.features.ndim != 2 or 0 in self.features.shape:
            raise DataError(f"the features have the shape {self.features.shape}: no regions, or no vectors")
        if self.size is not None and min(self.size) < 1:
            raise DataError(f"the image is {self.size[0]} x {self.size[1]} pixels")
        for name, array in vars(self).items():
            if not isinstance(array, np.ndarray):
                continue
            if len(array) != len(self.features):
                raise DataError(f"{len(self.features)} features, {len(array)} {name}")
            if not np.isfinite(array).all():
                raise DataError(f"{name} holds a number that is not finite")
        for name, ids in (("classes", self.classes), ("attributes", self.attributes)):
            if ids is not None and (ids < 0).any():
                raise DataError(f"{name} holds a negative number")


@dataclass(frozen=True)
class Entry:
    """One image of a source: ``name`` is what the source calls it, ``next`` where the one after it begins.

    ``read`` raises ``DataError`` where this record cannot be used and ``UnsafeData`` where none of the source should be.
    """

    name: str
    next: int
    read: Callable[[], Record]


@runtime_checkable
class Source(Protocol):
    """Features on disk, gone through in one order, from any place in it.

    ``total`` is the place behind the last one; ``unit`` is what places count: pictures, or bytes of the file.
    """

    layout: str
    total: int
    unit: str

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """The images from a place on."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


class Listed(Generic[T]):
    """A source whose images are listed beforehand; places count them, and ``called`` names one."""

    unit = "pictures"

    def __init__(
        self,
        layout: str,
        names: Sequence[T],
        read: Callable[[T], Record],
        close: Callable[[], None] = lambda: None,
        called: Callable[[T], str] = str,
    ) -> None:
        self.layout, self.total = layout, len(names)
        self._names, self._read, self._close, self._called = names, read, close, called

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """The images from number ``start`` on."""
        for number in range(start, self.total):
            name = self._names[number]
            yield Entry(self._called(name), number + 1, partial(self._read, name))

    def close(self) -> None:
        """Let go of open files."""
        self._close()


@dataclass(frozen=True)
class Reading:
    """What a format's files do not say themselves.

    ``boxes`` is Unified VLP's file of boxes, ``root`` the folder that VL-BERT's annotation starts from. The rest chooses
    among UNITER's databases: ``number`` regions of every image, or those above ``threshold``, ``min`` to ``max`` of them;
    ``compressed`` is the database of ``.npz`` records.
    """

    boxes: Path | None = None
    root: Path | None = None
    threshold: float = 0.2
    min: int = 10
    max: int = 100
    number: int | None = None
    compressed: bool = False


def library(name: str) -> Any:
    """A library of the extra ``features``.

    Raises:
        MissingPiece: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPiece(f"this format needs {name}: pip install 'iconotext[features]'") from error
