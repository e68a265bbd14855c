"""Which boxes of a picture become regions: by confidence, at least so many, at most so many."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from iconotext.core.boxes import area, intersection
from iconotext.core.errors import ConfigError

_WRITTEN = re.compile(r"(\d+)-(\d+) by confidence >= (\S+), NMS (\S+) across classes, descending")


@dataclass(frozen=True)
class Selection:
    """The rule of bottom-up attention (Anderson et al., CVPR 2018) as ViLBERT uses it, with 10 to 36 regions.

    A box's confidence is its highest class probability (background apart) if no more confident box overlaps it by an IoU
    above ``nms``, else 0. Boxes of at least ``threshold`` are regions; if they are fewer than ``minimum`` or more than
    ``maximum``, the most confident so many are. The order is always that of descending confidence, so a shorter list is a
    prefix of a longer one. The papers suppress within a class; here across classes, so that one thing is one region.
    """

    minimum: int = 10
    maximum: int = 36
    threshold: float = 0.2
    nms: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.minimum <= self.maximum:
            raise ConfigError(
                f"selection of regions: the minimum ({self.minimum}) has to be at least 1 and at most the maximum "
                f"({self.maximum})"
            )

    def __str__(self) -> str:
        return (
            f"{self.minimum}-{self.maximum} by confidence >= {self.threshold:g}, NMS {self.nms:g} across classes, "
            "descending"
        )

    @classmethod
    def parse(cls, text: str) -> Selection:
        """The rule that is written so.

        Raises:
            ConfigError: the text is no such rule.
        """
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ConfigError(f"this is no rule by which regions are selected: {text!r}")
        minimum, maximum, threshold, nms = found.groups()
        return cls(int(minimum), int(maximum), float(threshold), float(nms))


def confidences(boxes: Float[Tensor, "B P 4"], scores: Float[Tensor, "B P"], nms: float) -> Float[Tensor, "B P"]:
    """The scores, with 0 for every box that a more confident one of the same picture suppresses."""
    order = scores.argsort(dim=1, descending=True, stable=True)
    ranked = boxes.gather(1, order[..., None].expand_as(boxes))
    common = intersection(ranked[:, :, None], ranked[:, None])
    size = area(ranked)
    suppresses = (common > nms * (size[:, :, None] + size[:, None] - common)).triu(1)
    kept = torch.ones_like(scores, dtype=torch.bool)
    # Greedy suppression is the fixed point: after k rounds the first k ranks are settled, most often all after a few.
    while not torch.equal(kept, settled := ~(suppresses & kept[..., None]).any(dim=1)):
        kept = settled
    return scores * torch.zeros_like(kept).scatter(1, order, kept)


def select(confidence: Float[Tensor, "B P"], rule: Selection) -> tuple[Int[Tensor, "B K"], Int[Tensor, "B"]]:
    """For each picture the indices of its boxes in order, and how many of them are its regions.

    Raises:
        ConfigError: if there are fewer boxes than the rule's minimum.
    """
    if confidence.shape[1] < rule.minimum:
        raise ConfigError(
            f"the detector proposes {confidence.shape[1]} boxes a picture, fewer than the minimum of {rule.minimum} regions"
        )
    order = confidence.argsort(dim=1, descending=True, stable=True)[:, : rule.maximum]
    count = (confidence >= rule.threshold).sum(dim=1).clamp(rule.minimum, order.shape[1])
    return order, count


def choose(
    boxes: Float[Tensor, "P 4"], scores: Float[Tensor, "P"], rule: Selection
) -> tuple[Int[Tensor, "K"], Float[Tensor, "K"]]:
    """The indices of one picture's regions in order, and their confidences; all boxes where they are fewer than the minimum."""
    if not len(boxes):
        return torch.zeros(0, dtype=torch.int64, device=boxes.device), scores
    confidence = confidences(boxes[None], scores[None], rule.nms)
    order, count = select(confidence, replace(rule, minimum=min(rule.minimum, len(boxes))))
    chosen = order[0, : int(count[0])]
    return chosen, confidence[0, chosen]
