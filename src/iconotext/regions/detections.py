"""What a detector takes and gives: pictures in, regions with features out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from iconotext.core.fingerprint import Fingerprint
from iconotext.regions.resize import Fitted

Picture = UInt8[np.ndarray, "_ _ 3"] | Fitted
"""RGB pixels, or the same brought to the network's size by the detector's ``fit`` (which is also how boxes are given)."""


@dataclass(frozen=True)
class Detections:
    """The regions of one picture, in the order that the detector documents.

    ``boxes`` are pixels of the original picture. ``class_probs`` has width 0 where the detector has no classes; otherwise
    class 0 is the background. ``attributes`` are -1 where there is none.
    """

    boxes: Float32[np.ndarray, "R 4"]
    scores: Float32[np.ndarray, "R"]
    features: Float32[np.ndarray, "R F"]
    class_probs: Float32[np.ndarray, "R C"]
    attributes: Int32[np.ndarray, "R"]
    attribute_scores: Float32[np.ndarray, "R"]

    def __len__(self) -> int:
        return len(self.boxes)


@runtime_checkable
class Detector(Protocol):
    """Where regions come from; one that ``needs_boxes`` reads them from ``Fitted.boxes``.

    The regions of a picture do not depend on the pictures beside it. ``detect`` may be called from several threads.
    """

    fingerprint: Fingerprint
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    needs_boxes: bool

    def fit(self, picture: UInt8[np.ndarray, "_ _ 3"], boxes: Float32[np.ndarray, "_ 4"] | None = None) -> Fitted:
        """The picture as ``detect`` wants it, with given boxes; cheap work that workers do ahead of the network.

        Raises:
            DataError: a given box is empty or not finite.
        """
        ...

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The regions of each picture."""
        ...
