"""Which proposals become regions, as published with bottom-up attention (`tools/generate_tsv.py`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from iconotext.core.errors import ConfigError
from iconotext.regions.bottom_up.boxes import suppress

NMS = 0.3
_WRITTEN = re.compile(r"(\d+)-(\d+) proposals by confidence >= (\S+), NMS (\S+) within a class, .*")
_FLOORS = (0.05, 1e-3, 0.0)


@dataclass(frozen=True)
class PublishedSelection:
    """At least ``minimum`` and at most ``maximum`` proposals, of those that some class is sure of by ``threshold``.

    A proposal's confidence is its highest probability of a class (not the background) in which no better proposal overlaps it
    by more than ``nms``. Regions are the proposals of at least the threshold, in the order of the proposals; where they
    are fewer than the minimum or more than the maximum, the most confident so many, in descending order. The published sets
    are 36-36 and 10-100.
    """

    minimum: int = 36
    maximum: int = 36
    threshold: float = 0.2
    nms: float = NMS

    def __post_init__(self) -> None:
        if not 0 < self.minimum <= self.maximum:
            raise ConfigError(f"--min {self.minimum} has to be at least 1 and at most --max {self.maximum}")

    def __str__(self) -> str:
        return (
            f"{self.minimum}-{self.maximum} proposals by confidence >= {self.threshold:g}, NMS {self.nms:g} within a class, "
            "in the order of proposals; cut or filled up: descending"
        )

    @classmethod
    def parse(cls, text: str) -> PublishedSelection:
        """The rule that is written so.

        Raises:
            ConfigError: the text is no such rule.
        """
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ConfigError(f"this is no rule by which proposals are selected: {text!r}")
        minimum, maximum, threshold, nms = found.groups()
        return cls(int(minimum), int(maximum), float(threshold), float(nms))


def confidences(
    boxes: Float[Tensor, "P 4"], probs: Float[Tensor, "P C1"], nms: float, floor: float = 0.0
) -> Float[Tensor, "P"]:
    """The highest probability of a class in which the box is kept, 0 where that is below the floor.

    A box cannot be suppressed by one of lower probability, so a floor changes nothing above itself and spares most classes.
    """
    best = probs.new_zeros(len(boxes))
    for number in (probs[:, 1:] >= floor).any(dim=0).nonzero()[:, 0].tolist():
        scores = probs[:, number + 1]
        rows = (scores >= floor).nonzero()[:, 0]
        kept = rows[suppress(boxes[rows], scores[rows], nms)]
        best[kept] = best[kept].maximum(scores[kept])
    return best


def select(
    boxes: Float[Tensor, "P 4"], probs: Float[Tensor, "P C1"], rule: PublishedSelection
) -> tuple[Int[Tensor, "R"], Float[Tensor, "R"]]:
    """The regions among the proposals of one picture, in their order, and their confidences.

    Args:
        boxes: in pixels of the original picture.
        probs: of the background and of each class.
    """
    for floor in (min(_FLOORS[0], rule.threshold), *_FLOORS[1:]):
        confidence = confidences(boxes, probs, rule.nms, floor)
        if int((confidence > 0).sum()) >= rule.minimum:
            break
    sure = (confidence >= rule.threshold).nonzero()[:, 0]
    if not rule.minimum <= len(sure) <= rule.maximum:
        count = rule.minimum if len(sure) < rule.minimum else rule.maximum
        sure = confidence.argsort(descending=True, stable=True)[:count]
    return sure, confidence[sure]
