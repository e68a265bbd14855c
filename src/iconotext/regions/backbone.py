"""A small residual network: a picture becomes maps at strides 4, 8 and 16, and one map of stride 8 that joins the last two."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

STRIDE = 8
"""Pixels of the picture a cell of the joint map."""


class ConvNorm(nn.Module):
    """A convolution with batch norm, which ``fold`` multiplies into the weights for inference."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        y: Tensor = self.norm(self.conv(x))
        return y

    def fold(self) -> None:
        """The same function of one layer; to be called once, in eval mode."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class LinearNorm(nn.Module):
    """A linear layer with batch norm, which ``fold`` multiplies into the weights for inference."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm: nn.Module = nn.BatchNorm1d(outputs)

    def forward(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        y: Tensor = self.norm(self.linear(x))
        return y

    def fold(self) -> None:
        """The same function of one layer; to be called once, in eval mode."""
        if isinstance(self.norm, nn.BatchNorm1d):
            self.linear = fuse_linear_bn_eval(self.linear, self.norm)
            self.norm = nn.Identity()


class Block(nn.Module):
    """Two convolutions with a short cut, halving the map (He et al., CVPR 2016; the short cut of He et al., CVPR 2019)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, stride=2)
        self.second = ConvNorm(outputs, outputs)
        self.short = ConvNorm(inputs, outputs, size=1)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        return relu(self.second(relu(self.first(x))) + self.short(avg_pool2d(x, 2)))


@dataclass(frozen=True)
class Maps:
    """``stages`` at strides 4, 8 and 16; ``joint`` at stride 8, from which regions are found and read."""

    stages: tuple[Float[Tensor, "B _ _ _"], ...]
    joint: Float[Tensor, "B J h w"]


class Backbone(nn.Module):
    """``widths`` are the channels of the stem (stride 2) and of the stages; ``joint`` those of the joint map."""

    def __init__(self, widths: tuple[int, int, int, int], joint: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, widths[0], stride=2)
        self.stages = nn.ModuleList(Block(a, b) for a, b in pairwise(widths))
        self.lateral = ConvNorm(widths[2], joint, size=1)
        self.down = ConvNorm(widths[3], joint, size=1)
        self.smooth = ConvNorm(joint, joint)

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> Maps:
        x = relu(self.stem(pixels))
        stages = []
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
        fine, coarse = self.lateral(stages[1]), self.down(stages[2])
        joint = relu(self.smooth(relu(fine + interpolate(coarse, size=fine.shape[-2:]))))
        return Maps(tuple(stages), joint)
