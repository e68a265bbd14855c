"""A small Faster R-CNN (Ren et al., NeurIPS 2015): a backbone, a region proposal network, and a head that reads a box.

The head is one for all uses. It is read twice: once on the proposals, whose box regression gives the final boxes, and
once on the final boxes, for everything that is handed out. So whatever is said of a region depends on the picture and the
region's box only, and a box that is given is read exactly as one that was found (as in Cascade R-CNN, with shared weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import layer_norm, pad, relu
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import roi_align

from iconotext.regions.backbone import STRIDE, Backbone, ConvNorm, LinearNorm, Maps
from iconotext.regions.resize import HEIGHT, WIDTH

CODER = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))


@dataclass(frozen=True)
class NetworkShape:
    """The sizes of a network; ``classes`` without the background, ``attributes`` without "none"."""

    classes: int
    attributes: int
    widths: tuple[int, int, int, int] = (32, 48, 96, 160)
    joint: int = 96
    box_width: int = 128
    feature: int = 256
    pooled: int = 7
    proposals: int = 64
    anchor_sizes: tuple[int, ...] = (28, 44, 72)
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Readout:
    """What the head says of N boxes: the feature, and what is read from it by one linear layer each.

    Class 0 is the background and attribute 0 is "none"; ``deltas`` say how the box should move (``CODER``).
    """

    features: Float[Tensor, "N F"]
    classes: Float[Tensor, "N C1"]
    attributes: Float[Tensor, "N A1"]
    deltas: Float[Tensor, "N 4"]


class BoxHead(nn.Module):
    """RoIAlign, a convolution, a linear layer, layer norm: the region feature; then class, attribute and box.

    Batch norm in both layers makes the classes be learned several times sooner.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.pooled = shape.pooled
        side = (shape.pooled + 1) // 2
        self.conv = ConvNorm(shape.joint, shape.box_width, stride=2)
        self.hidden = LinearNorm(shape.box_width * side * side, shape.feature)
        self.classes = nn.Linear(shape.feature, shape.classes + 1)
        self.attributes = nn.Linear(shape.feature, shape.attributes + 1)
        self.deltas = nn.Linear(shape.feature, 4)

    def forward(self, joint: Float[Tensor, "B J h w"], rois: Float[Tensor, "N 5"]) -> Readout:
        crops = roi_align(joint.float(), rois, self.pooled, 1 / STRIDE, sampling_ratio=1, aligned=True)
        crops = crops.contiguous(memory_format=torch.channels_last)
        hidden = relu(self.hidden(relu(self.conv(crops)).flatten(1)))
        features = layer_norm(hidden.float(), hidden.shape[-1:])
        return Readout(
            features, self.classes(features).float(), self.attributes(features).float(), self.deltas(features).float()
        )


class ProposalHead(RPNHead):  # type: ignore[misc]
    """torchvision's proposal head, answering in float32 under autocast as well."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        objectness, deltas = super().forward(x)
        return [o.float() for o in objectness], [d.float() for d in deltas]


class Network(nn.Module):
    """The two stages, for pictures of 256x192; ``fold`` makes it faster and ends its training."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.backbone = Backbone(shape.widths, shape.joint)
        anchors = AnchorGenerator((shape.anchor_sizes,), (shape.anchor_ratios,))
        self.proposer = RegionProposalNetwork(
            anchors,
            ProposalHead(shape.joint, anchors.num_anchors_per_location()[0]),
            fg_iou_thresh=0.6,
            bg_iou_thresh=0.3,
            batch_size_per_image=64,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 4 * shape.proposals, "testing": 4 * shape.proposals},
            post_nms_top_n={"training": shape.proposals, "testing": shape.proposals},
            nms_thresh=0.7,
        )
        self.head = BoxHead(shape)

    def maps(self, pixels: UInt8[Tensor, "B H W 3"]) -> Maps:
        """The maps of RGB pictures."""
        scaled = (pixels.permute(0, 3, 1, 2).float() - 127.5) / 64
        maps: Maps = self.backbone(scaled.contiguous(memory_format=torch.channels_last))
        return maps

    def propose(
        self, maps: Maps, truth: list[dict[str, Tensor]] | None = None
    ) -> tuple[Float[Tensor, "B P 4"], dict[str, Tensor]]:
        """The most object-like boxes of each picture, and in training the losses against the true ``boxes``.

        Where a picture has fewer than P, its first is repeated.
        """
        batch = maps.joint.shape[0]
        images = ImageList(maps.joint.new_empty(batch, 3, HEIGHT, WIDTH), [(HEIGHT, WIDTH)] * batch)
        found, losses = self.proposer(images, {"joint": maps.joint}, truth)
        filled = [torch.cat([b, b[:1].expand(self.shape.proposals - len(b), 4)]) for b in found]
        return torch.stack(filled), losses

    def read(self, maps: Maps, boxes: Float[Tensor, "B P 4"]) -> Readout:
        """What the head says of the boxes of each picture, one after the other [B·P]."""
        picture = torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])
        readout: Readout = self.head(maps.joint, pad(boxes.flatten(0, 1), (1, 0)) + pad(picture[:, None], (0, 4)))
        return readout

    def fold(self) -> Network:
        """The same network without batch norms, in eval mode."""
        for module in self.eval().modules():
            if isinstance(module, ConvNorm | LinearNorm):
                module.fold()
        return self.to(memory_format=torch.channels_last)


def refine(boxes: Float[Tensor, "B P 4"], readout: Readout, extents: Float[Tensor, "B 2"]) -> Float[Tensor, "B P 4"]:
    """The boxes moved as the head says, at least a pixel wide and high, inside the part (width, height) of the input that the
    picture fills."""
    moved: Tensor = CODER.decode_single(readout.deltas, boxes.flatten(0, 1)).view_as(boxes)
    most = extents[:, None]
    low = moved[..., :2].clamp(min=0).minimum(most - 1)
    return torch.cat([low, moved[..., 2:].maximum(low + 1).minimum(most)], dim=-1)
