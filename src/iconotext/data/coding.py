"""How a store keeps features and class probabilities smaller than they are, and gives them back as if it had not."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
"""Features of a region that share a least value and a step."""
_LEVELS = 255
_TOGETHER = 1024
MEAN, DEVIATION = b"feature_mean", b"feature_deviation"


@dataclass(frozen=True)
class Storage:
    """What is kept: features as float16 or as int8, and of the class probabilities the ``top`` (0: all) and the rest's mass."""

    features: Literal["float16", "int8"] = "float16"
    top: int = 0


PLAIN = Storage()


@runtime_checkable
class Rows(Protocol):
    """A column of which a run of regions is read: a mapped array, or one that is made when it is asked for."""

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """The values of these regions."""
        ...


@dataclass(frozen=True)
class Quantised:
    """Features [N, F] as one byte each.

    Every feature is shifted by its mean and divided by its deviation over the file; then each region's runs of 32 are one
    byte a value between their least and greatest, which are kept as float16 ``low`` and ``step`` [N, F / 32]. Of n values
    the squared range is at most twice the summed squares, so whatever the features are like, the root mean squared error of
    each is at most 8 / (255 √12) = 0.91 % of its standard deviation (0.5 % where they are normal).
    """

    codes: NDArray[np.uint8]
    low: NDArray[np.float16]
    step: NDArray[np.float16]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def __getitem__(self, rows: slice) -> NDArray[np.float16]:
        values = self.codes[rows].astype(np.float32)
        width = values.shape[1]
        values *= _wide(self.step[rows], width)
        values += _wide(self.low[rows], width)
        values *= self.deviation
        values += self.mean
        return values.astype(np.float16)

    @classmethod
    def of(cls, features: NDArray[np.float16]) -> Quantised:
        """The features of a file."""
        count, width = features.shape
        starts = range(0, width, BLOCK)
        mean = features.mean(axis=0, dtype=np.float32) if count else np.zeros(width, np.float32)
        squares = np.zeros(width, np.float64)
        for part in _parts(features):
            squares += np.square(part - mean).sum(axis=0)
        deviation = np.sqrt(squares / max(1, count)).astype(np.float32)
        deviation[deviation == 0] = 1
        codes = np.empty((count, width), np.uint8)
        low = np.empty((count, len(starts)), np.float16)
        step = np.empty_like(low)
        for number, part in enumerate(_parts(features)):
            rows = slice(number * _TOGETHER, number * _TOGETHER + len(part))
            values = (part - mean) / deviation
            low[rows] = _down(np.minimum.reduceat(values, starts, axis=1))
            high: NDArray[np.float32] = np.maximum.reduceat(values, starts, axis=1)
            step[rows] = _up((high - low[rows].astype(np.float32)) / np.float32(_LEVELS))
            divisor = np.where(step[rows] > 0, step[rows], 1)
            values -= _wide(low[rows], width)
            values /= _wide(divisor, width)
            codes[rows] = np.clip(np.rint(values), 0, _LEVELS)
        return cls(codes, low, step, mean, deviation)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The ragged columns of the file."""
        return {"features": self.codes, "feature_low": self.low, "feature_step": self.step}

    def notes(self) -> dict[bytes, bytes]:
        """What the file says of all its regions."""
        return {MEAN: _text(self.mean), DEVIATION: _text(self.deviation)}

    @classmethod
    def read(cls, columns: Mapping[str, NDArray[Any]], notes: Mapping[bytes, bytes]) -> Quantised:
        """The features of a file that was written so."""
        mean, deviation = (np.frombuffer(base64.b64decode(notes[name]), np.float32) for name in (MEAN, DEVIATION))
        return cls(columns["features"], columns["feature_low"], columns["feature_step"], mean, deviation)


@dataclass(frozen=True)
class TopClasses:
    """Class probabilities [N, C] of which the highest k are kept as they are, and the sum of the rest, spread evenly."""

    numbers: NDArray[np.int32]
    probs: NDArray[np.float16]
    rest: NDArray[np.float16]
    classes: int

    def __getitem__(self, rows: slice) -> NDArray[np.float16]:
        numbers = self.numbers[rows]
        share = self.rest[rows].astype(np.float32) / max(1, self.classes - numbers.shape[1])
        full = np.broadcast_to(share[:, None], (len(numbers), self.classes)).astype(np.float16)
        np.put_along_axis(full, numbers.astype(np.int64), self.probs[rows], axis=1)
        return full

    @classmethod
    def of(cls, probs: NDArray[np.float16], top: int) -> TopClasses:
        """The highest ``top`` of each region, in descending order."""
        order = np.argsort(-probs, axis=1, kind="stable")[:, :top].astype(np.int32)
        kept = np.take_along_axis(probs, order.astype(np.int64), axis=1)
        rest = probs.sum(axis=1, dtype=np.float32) - kept.sum(axis=1, dtype=np.float32)
        return cls(order, kept, np.maximum(rest, 0).astype(np.float16), probs.shape[1])

    def columns(self) -> dict[str, NDArray[Any]]:
        """The ragged columns of the file."""
        return {"class_top": self.numbers, "class_top_probs": self.probs, "class_rest": self.rest}

    @classmethod
    def read(cls, columns: Mapping[str, NDArray[Any]], classes: int) -> TopClasses:
        """The class probabilities of a file that was written so."""
        return cls(columns["class_top"], columns["class_top_probs"], columns["class_rest"], classes)


def _parts(features: NDArray[np.float16]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(features), _TOGETHER):
        yield features[start : start + _TOGETHER].astype(np.float32)


def _wide(blocks: NDArray[np.float16], width: int) -> NDArray[np.float32]:
    return np.repeat(blocks.astype(np.float32), BLOCK, axis=1)[:, :width]


def _down(values: NDArray[np.float32]) -> NDArray[np.float16]:
    near = values.astype(np.float16)
    return np.where(near > values, np.nextafter(near, np.float16(-np.inf)), near)


def _up(values: NDArray[np.float32]) -> NDArray[np.float16]:
    near = values.astype(np.float16)
    return np.where(near < values, np.nextafter(near, np.float16(np.inf)), near)


def _text(values: NDArray[np.float32]) -> bytes:
    return base64.b64encode(values.astype("<f4").tobytes())
