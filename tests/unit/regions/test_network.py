from __future__ import annotations

import copy

import torch

from iconotext.regions.network import CODER, Network, NetworkShape, Readout, refine

SHAPE = NetworkShape(3, 2, widths=(4, 6, 8, 8), joint=8, box_width=8, feature=12, pooled=3, proposals=40)


def test_the_default_is_small() -> None:
    numbers = sum(p.numel() for p in Network(NetworkShape(258, 8)).parameters())
    assert 1e6 < numbers < 2e6


def test_as_many_proposals_for_every_picture_and_a_readout_for_each() -> None:
    torch.manual_seed(0)
    network = Network(SHAPE).eval()
    maps = network.maps(torch.randint(0, 256, (2, 192, 256, 3), dtype=torch.uint8))
    boxes, losses = network.propose(maps)
    assert boxes.shape == (2, 40, 4)
    assert not losses
    assert (boxes[..., 2:] > boxes[..., :2]).all()
    assert boxes.min() >= 0
    assert (boxes.amax(dim=(0, 1)) <= torch.tensor([256, 192, 256, 192])).all()
    found = network.read(maps, boxes)
    assert found.features.shape == (80, 12)
    assert found.classes.shape == (80, 4)
    assert found.attributes.shape == (80, 3)
    alone = network.read(maps, boxes[:, 7:8])
    assert torch.allclose(alone.features, found.features[[7, 47]], atol=1e-6)


def test_features_have_unit_scale() -> None:
    torch.manual_seed(0)
    network = Network(SHAPE).eval()
    maps = network.maps(torch.randint(0, 256, (1, 192, 256, 3), dtype=torch.uint8))
    features = network.read(maps, network.propose(maps)[0]).features
    assert torch.allclose(features.mean(dim=1), torch.zeros(40), atol=1e-5)
    assert torch.allclose(features.square().mean(dim=1), torch.ones(40), atol=1e-2)


def test_folding_changes_nothing_but_the_layers() -> None:
    torch.manual_seed(0)
    network = Network(SHAPE)
    pixels = torch.randint(0, 256, (2, 192, 256, 3), dtype=torch.uint8)
    boxes = torch.tensor([[[10.0, 20, 80, 90]], [[0, 0, 256, 192]]])
    network.read(network.maps(pixels), boxes)
    folded = copy.deepcopy(network).fold()
    network.eval()
    with torch.no_grad():
        before, after = (n.read(n.maps(pixels), boxes) for n in (network, folded))
    assert torch.allclose(before.features, after.features, atol=1e-4)
    assert not any("norm" in name for name in folded.state_dict())


def test_boxes_move_as_told_and_stay_in_the_picture() -> None:
    boxes = torch.tensor([[[10.0, 20, 30, 60], [100, 10, 140, 50], [200, 10, 240, 50]]])
    wanted = torch.tensor([[12.0, 18, 40, 70], [90, -20, 300, 50], [200, 10, 240, 50]])
    deltas = CODER.encode_single(wanted, boxes[0])
    found = refine(boxes, Readout(*torch.zeros(3, 3, 1), deltas), torch.tensor([[128.0, 192]]))
    assert torch.allclose(found[0], torch.tensor([[12.0, 18, 40, 70], [90, 0, 128, 50], [127, 10, 128, 50]]), atol=1e-3)
