"""The Faster R-CNN of bottom-up attention: ResNet-101 to res4, proposals, and res5 with classes and attributes on each box.

Source: Anderson et al. (CVPR 2018), `peteanderson80/bottom-up-attention:models/vg/ResNet-101/faster_rcnn_end2end_final`.
Parameters are called as in the PyTorch weights that were published for it, `huggingface/transformers:lxmert/modeling_frcnn.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad, relu
from torchvision.ops import roi_pool

from iconotext.regions.bottom_up.boxes import STRIDE

POOLED = 14
"""Cells of a box's side in res4, before res5."""
_TOGETHER = 100
"""Boxes that res5 sees at once: they bound its memory, and each has its own result."""


@dataclass(frozen=True)
class BottomUpShape:
    """The sizes of a network; ``classes`` without the background, ``attributes`` without "none".

    ``blocks`` are those of res2 to res5, ``stem`` the channels of the first convolution (res5 has 32 times as many),
    ``anchors`` those of a place.
    """

    classes: int = 1600
    attributes: int = 400
    blocks: tuple[int, int, int, int] = (3, 4, 23, 3)
    stem: int = 64
    anchors: int = 12
    hidden: int = 512

    @property
    def feature(self) -> int:
        """The width of a region's feature."""
        return 32 * self.stem


@dataclass(frozen=True)
class BoxReadout:
    """What res5 says of N boxes; class 0 is the background, attribute 0 is "none"; ``deltas`` are a box for each class."""

    features: Float[Tensor, "N F"]
    classes: Float[Tensor, "N C1"]
    attributes: Float[Tensor, "N A1"]
    deltas: Float[Tensor, "N C4"]


class NormedConv(nn.Conv2d):
    """A convolution without bias and its batch norm; here the norm belongs to the convolution by name."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, size, stride, dilation * (size // 2), dilation, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        y: Tensor = self.norm(super().forward(x))
        return y


class Bottleneck(nn.Module):
    """A residual block of three convolutions; the stride is in the first one, as in Caffe's ResNet."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.shortcut = NormedConv(inputs, outputs, 1, stride) if inputs != outputs else None
        self.conv1 = NormedConv(inputs, width, 1, stride)
        self.conv2 = NormedConv(width, width, 3, 1, dilation)
        self.conv3 = NormedConv(width, outputs, 1)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        inner = self.conv3(relu(self.conv2(relu(self.conv1(x)))))
        return relu(inner + (x if self.shortcut is None else self.shortcut(x)))


def stage(inputs: int, width: int, blocks: int, stride: int, dilation: int = 1) -> nn.Sequential:
    """Blocks one after the other, of which the first has the stride."""
    first = Bottleneck(inputs, width, stride, dilation)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, 1, dilation) for _ in range(blocks - 1)))


class Stem(nn.Module):
    """The first convolution and Caffe's pooling, which rounds sizes up and pads nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = NormedConv(3, width, 7, 2)

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B O h w"]:
        return max_pool2d(relu(self.conv1(x)), kernel_size=3, stride=2, padding=0, ceil_mode=True)


class Backbone(nn.Module):
    """A picture becomes the map res4: stride 16, 16 times the stem's channels."""

    def __init__(self, shape: BottomUpShape) -> None:
        super().__init__()
        width = shape.stem
        self.stem = Stem(width)
        self.res2 = stage(width, width, shape.blocks[0], 1)
        self.res3 = stage(4 * width, 2 * width, shape.blocks[1], 2)
        self.res4 = stage(8 * width, 4 * width, shape.blocks[2], 2)

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B O h w"]:
        y: Tensor = self.res4(self.res3(self.res2(self.stem(x))))
        return y


class ProposalHead(nn.Module):
    """How much each anchor of each place is an object, and how it should move."""

    def __init__(self, shape: BottomUpShape) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16 * shape.stem, shape.hidden, 3, padding=1)
        self.objectness_logits = nn.Conv2d(shape.hidden, shape.anchors, 1)
        self.anchor_deltas = nn.Conv2d(shape.hidden, 4 * shape.anchors, 1)

    def forward(self, maps: Float[Tensor, "B I h w"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K 4"]]:
        """K = h·w·anchors, place by place, row by row."""
        hidden = relu(self.conv(maps))
        objectness = self.objectness_logits(hidden).permute(0, 2, 3, 1).flatten(1)
        deltas = self.anchor_deltas(hidden).permute(0, 2, 3, 1).reshape(len(maps), -1, 4)
        return objectness, deltas


class ProposalGenerator(nn.Module):
    """The proposal head and its anchors around the first place, ``cell_anchors``."""

    cell_anchors: Tensor

    def __init__(self, shape: BottomUpShape) -> None:
        super().__init__()
        self.rpn_head = ProposalHead(shape)
        self.register_buffer("cell_anchors", torch.zeros(shape.anchors, 4))


class BoxPredictor(nn.Module):
    """Class, box and, given the most probable class, attribute, read from a region's feature."""

    def __init__(self, shape: BottomUpShape) -> None:
        super().__init__()
        width = shape.feature
        self.cls_score = nn.Linear(width, shape.classes + 1)
        self.bbox_pred = nn.Linear(width, 4 * shape.classes)
        self.cls_embedding = nn.Embedding(shape.classes + 1, width // 8)
        self.fc_attr = nn.Linear(width + width // 8, width // 4)
        self.attr_score = nn.Linear(width // 4, shape.attributes + 1)

    def forward(self, features: Float[Tensor, "N F"]) -> BoxReadout:
        classes = self.cls_score(features)
        named = torch.cat([features, self.cls_embedding(classes.argmax(-1))], dim=-1)
        return BoxReadout(features, classes, self.attr_score(relu(self.fc_attr(named))), self.bbox_pred(features))


class BoxHeads(nn.Module):
    """res5 without stride, dilated, over the pooled box; its mean is the feature, called pool5 by its authors."""

    def __init__(self, shape: BottomUpShape) -> None:
        super().__init__()
        self.res5 = stage(16 * shape.stem, 8 * shape.stem, shape.blocks[3], 1, dilation=2)
        self.box_predictor = BoxPredictor(shape)

    def forward(self, maps: Float[Tensor, "B I h w"], rois: Float[Tensor, "N 5"]) -> BoxReadout:
        """``rois`` are the number of the picture and the box in pixels of the network's input."""
        starts = range(0, max(1, len(rois)), _TOGETHER)
        parts = [self._features(maps, rois[start : start + _TOGETHER]) for start in starts]
        return cast(BoxReadout, self.box_predictor(torch.cat(parts)))

    def _features(self, maps: Float[Tensor, "B I h w"], rois: Float[Tensor, "N 5"]) -> Float[Tensor, "N F"]:
        pooled: Tensor = self.res5(roi_pool(maps, rois, POOLED, 1 / STRIDE))
        return pooled.mean(dim=(2, 3))


class BottomUpNetwork(nn.Module):
    """The two stages in the names of the published weights."""

    def __init__(self, shape: BottomUpShape) -> None:
        super().__init__()
        self.shape = shape
        self.backbone = Backbone(shape)
        self.proposal_generator = ProposalGenerator(shape)
        self.roi_heads = BoxHeads(shape)

    def read(self, maps: Float[Tensor, "B I h w"], boxes: Sequence[Float[Tensor, "_ 4"]]) -> BoxReadout:
        """What the heads say of the boxes of each picture, one picture after the other."""
        rois = torch.cat([pad(box, (1, 0), value=float(index)) for index, box in enumerate(boxes)])
        return cast(BoxReadout, self.roi_heads(maps, rois))
