from __future__ import annotations

import torch

from iconotext.core.boxes import iou
from iconotext.regions.losses import SAMPLES, Truth, jitter, losses, sample
from iconotext.regions.network import Network, NetworkShape

SHAPE = NetworkShape(3, 2, widths=(4, 6, 8, 8), joint=8, box_width=8, feature=12, pooled=3, proposals=40)
TRUTH = Truth(torch.tensor([[20.0, 20, 70, 80], [120, 90, 180, 150]]), torch.tensor([2, 3]), torch.tensor([1, 0]))
NOTHING = Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def test_sampled_boxes_belong_to_what_they_overlap() -> None:
    torch.manual_seed(0)
    proposals = torch.cat([jitter(TRUTH.boxes.repeat(15, 1)), torch.rand(30, 4) * 40 + torch.tensor([0, 0, 40, 40])])
    boxes, matched, classes, attributes = sample(proposals, TRUTH)
    assert len(boxes) == len(matched) == len(classes) == len(attributes) == SAMPLES
    overlap, owner = iou(boxes, TRUTH.boxes).max(dim=1)
    positive = overlap >= 0.5
    assert int(positive.sum()) == SAMPLES // 2
    assert torch.equal(classes, torch.where(positive, TRUTH.classes[owner], 0))
    assert torch.equal(attributes, torch.where(positive, TRUTH.attributes[owner], 0))
    assert torch.equal(matched[positive], TRUTH.boxes[owner[positive]])


def test_the_true_boxes_are_among_the_samples_when_no_proposal_is_right() -> None:
    torch.manual_seed(0)
    _, _, classes, _ = sample(torch.tensor([[0.0, 0, 5, 5]]).repeat(40, 1), TRUTH)
    assert {2, 3} <= set(classes.tolist())


def test_an_empty_picture_is_background() -> None:
    boxes, _, classes, attributes = sample(torch.rand(7, 4) + torch.tensor([0, 0, 9, 9]), NOTHING)
    assert len(boxes) == SAMPLES
    assert not classes.any()
    assert not attributes.any()


def test_noise_is_bounded() -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([[20.0, 20, 70, 120]]).repeat(500, 1)
    moved = jitter(boxes) - boxes
    assert (moved.abs() <= torch.tensor([10, 20, 10, 20]) + 1e-4).all()
    assert (moved.std(dim=0) > torch.tensor([3, 6, 3, 6])).all()


def test_the_losses_fall() -> None:
    torch.manual_seed(0)
    network = Network(SHAPE)
    pixels = torch.full((2, 192, 256, 3), 200, dtype=torch.uint8)
    pixels[0, 20:80, 20:70] = torch.tensor([220, 20, 20], dtype=torch.uint8)
    pixels[0, 90:150, 120:180] = torch.tensor([20, 20, 220], dtype=torch.uint8)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    history = []
    for _ in range(25):
        parts = losses(network, pixels, [TRUTH, NOTHING])
        assert set(parts) == {"objectness", "proposal_box", "class", "attribute", "box"}
        total = torch.stack(list(parts.values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        history.append(total.item())
    assert sum(history[-5:]) < 0.5 * sum(history[:5])
