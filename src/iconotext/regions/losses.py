"""The training losses of the network: two of the proposals, three of the boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from iconotext.core.boxes import iou
from iconotext.regions.network import CODER, Network

SAMPLES = 32
"""Boxes of a picture that the head is trained on."""
_POSITIVE = 0.5
_MATCH = 0.5
_NOISY_COPIES = 3
_NOISE = 0.1
# Three of four boxes have no attribute; at full weight "none" is the answer to every doubt.
_NONE = 0.2


@dataclass(frozen=True)
class Truth:
    """The objects of one picture; ``classes`` from 1 (0 is the background), ``attributes`` from 1 (0 is "none")."""

    boxes: Float[Tensor, "K 4"]
    classes: Int[Tensor, "K"]
    attributes: Int[Tensor, "K"]


def losses(network: Network, pixels: UInt8[Tensor, "B H W 3"], truths: list[Truth]) -> dict[str, Float[Tensor, ""]]:
    """The five losses of a batch, to be added; draws samples from torch's global generator.

    The head sees proposals and, so that it learns from the first step and knows given boxes, the true boxes with noise.
    """
    maps = network.maps(pixels)
    proposals, found = network.propose(maps, [{"boxes": truth.boxes} for truth in truths])
    sampled = [sample(boxes.detach(), truth) for boxes, truth in zip(proposals, truths)]
    boxes, matched = torch.stack([s[0] for s in sampled]), torch.cat([s[1] for s in sampled])
    classes, attributes = torch.cat([s[2] for s in sampled]), torch.cat([s[3] for s in sampled])
    readout = network.read(maps, boxes)
    positive = classes > 0
    balance = torch.ones(network.shape.attributes + 1, device=pixels.device).index_fill(
        0, attributes.new_zeros(1), _NONE
    )
    wanted = CODER.encode_single(matched[positive], boxes.flatten(0, 1)[positive])
    moved = smooth_l1_loss(readout.deltas[positive], wanted, beta=1 / 9, reduction="sum") / len(classes)
    return {
        "objectness": found["loss_objectness"],
        "proposal_box": found["loss_rpn_box_reg"],
        "class": cross_entropy(readout.classes, classes),
        "attribute": cross_entropy(readout.attributes, attributes, weight=balance),
        "box": moved,
    }


def sample(
    proposals: Float[Tensor, "P 4"], truth: Truth
) -> tuple[Float[Tensor, "S 4"], Float[Tensor, "S 4"], Int[Tensor, "S"], Int[Tensor, "S"]]:
    """``SAMPLES`` boxes of one picture with the true box, class and attribute of each, up to half of them on an object.

    A box belongs to the object that it overlaps most if their IoU is at least 0.5, else to the background. Where there are
    too few to choose from, boxes occur twice.
    """
    if len(truth.boxes) == 0:
        boxes = proposals[_choose(torch.arange(len(proposals)), SAMPLES)]
        none = torch.zeros(SAMPLES, dtype=torch.int64, device=boxes.device)
        return boxes, boxes, none, none
    candidates = torch.cat([proposals, jitter(truth.boxes.repeat(_NOISY_COPIES, 1))])
    overlap, owner = iou(candidates, truth.boxes).max(dim=1)
    hit = overlap >= _MATCH
    on, off = hit.nonzero()[:, 0], (~hit).nonzero()[:, 0]
    wanted = min(int(SAMPLES * _POSITIVE), len(on)) if len(off) else SAMPLES
    chosen = torch.cat([_choose(on, wanted), _choose(off, SAMPLES - wanted)])
    owner, hit = owner[chosen], hit[chosen]
    return candidates[chosen], truth.boxes[owner], truth.classes[owner] * hit, truth.attributes[owner] * hit


def jitter(boxes: Float[Tensor, "K 4"]) -> Float[Tensor, "K 4"]:
    """The boxes with every side moved by normal noise of a tenth of the box's width or height."""
    side = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + side * _NOISE * torch.randn_like(boxes).clamp(-2, 2)


def _choose(items: Int[Tensor, "n"], count: int) -> Int[Tensor, "count"]:
    """``count`` of the items by lot, each at most once more often than any other."""
    if count == 0:
        return items[:0]
    rounds = -(-count // len(items))
    return torch.cat([items[torch.randperm(len(items))] for _ in range(rounds)])[:count]
