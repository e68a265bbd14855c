from __future__ import annotations

import torch

from iconotext.regions.backbone import Backbone, ConvNorm, LinearNorm


def test_maps_have_their_strides() -> None:
    maps = Backbone((4, 6, 8, 10), 12)(torch.rand(2, 3, 64, 96))
    assert [tuple(stage.shape) for stage in maps.stages] == [(2, 6, 16, 24), (2, 8, 8, 12), (2, 10, 4, 6)]
    assert tuple(maps.joint.shape) == (2, 12, 8, 12)


def test_folded_layers_are_the_same_function() -> None:
    torch.manual_seed(0)
    for layer, shape in ((ConvNorm(3, 5, stride=2), (4, 3, 9, 9)), (LinearNorm(7, 5), (6, 7))):
        x = torch.randn(shape)
        layer(x * 3 + 1)
        torch.nn.init.normal_(layer.norm.weight)
        torch.nn.init.normal_(layer.norm.bias)
        before = layer.eval()(x)
        layer.fold()
        assert isinstance(layer.norm, torch.nn.Identity)
        assert torch.allclose(layer(x), before, atol=1e-5)
