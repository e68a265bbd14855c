from __future__ import annotations

import math

import torch
from torchvision.ops import box_iou, roi_pool

from iconotext.regions.bottom_up.boxes import (
    ProposalRules,
    cell_anchors,
    clip,
    grid_anchors,
    move,
    propose,
    snap,
    suppress,
)
from iconotext.regions.bottom_up.network import POOLED

# Of py-faster-rcnn's generate_anchors: the first nine of a base of 16 and scales 8, 16, 32, worked out by hand from its rule:
# round(sqrt(256 / ratio)) is 23, 16, 11 across and 12, 16, 22 down; a side of n pixels around 7.5 goes from 8 - n/2 to 7 + n/2.
BY_HAND = [
    [-84, -40, 99, 55],
    [-176, -88, 191, 103],
    [-360, -184, 375, 199],
    [-56, -56, 71, 71],
    [-120, -120, 135, 135],
    [-248, -248, 263, 263],
    [-36, -80, 51, 95],
    [-80, -168, 95, 183],
    [-168, -344, 183, 359],
]


def test_anchors_of_a_place() -> None:
    assert cell_anchors((8, 16, 32)).tolist() == BY_HAND
    assert cell_anchors().shape == (12, 4)
    assert cell_anchors()[0].tolist() == [-38, -16, 53, 31]


def test_anchors_of_all_places() -> None:
    cell = cell_anchors((8,))
    all_ = grid_anchors(cell, rows=2, columns=3)
    assert all_.shape == (18, 4)
    assert torch.equal(all_[:3], cell)
    assert torch.equal(all_[3:6], cell + torch.tensor([16.0, 0, 16, 0]))
    assert torch.equal(all_[9:12], cell + torch.tensor([0.0, 16, 0, 16]))


def test_boxes_are_moved_by_shares_of_their_sides() -> None:
    box = torch.tensor([[10.0, 20, 29, 59]])
    # 20 x 40 pixels around (20, 40): half a width to the right, a quarter of a height up, twice as wide, half as high.
    moved = move(box, torch.tensor([[0.5, -0.25, math.log(2), math.log(0.5)]]))
    assert torch.allclose(moved, torch.tensor([[10.0, 20, 50, 40]]))
    assert torch.allclose(move(box, torch.zeros(1, 4)), torch.tensor([[10.0, 20, 30, 60]]))
    wild = move(box, torch.tensor([[0.0, 0, 50, 0]]))
    assert torch.allclose(wild[0, 2] - wild[0, 0], torch.tensor(20 * 62.5))


def test_boxes_end_at_the_last_pixel() -> None:
    assert clip(torch.tensor([[-5.0, 3, 700, 400]]), (640, 400)).tolist() == [[0, 3, 639, 399]]


def test_overlap_counts_the_last_pixel() -> None:
    # 10 x 10 and 10 x 8 pixels: 80 of 100 in common, with the last pixels; without them it would be 63 of 81.
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 7]])
    assert suppress(boxes, torch.tensor([0.5, 0.9]), 0.79).tolist() == [1]
    assert suppress(boxes, torch.tensor([0.5, 0.9]), 0.81).tolist() == [1, 0]


def test_proposals_follow_the_rules() -> None:
    generator = torch.Generator().manual_seed(0)
    anchors = grid_anchors(cell_anchors(), 20, 30)
    objectness = torch.randn(len(anchors), generator=generator)
    deltas = 0.3 * torch.randn(len(anchors), 4, generator=generator)
    found = propose(anchors, objectness, deltas, (480, 320), 1.6, ProposalRules(before=400, after=50))
    boxes = clip(move(anchors, deltas), (480, 320))
    large = ((boxes[:, 2:] - boxes[:, :2] + 1) >= 16 * 1.6).all(1)
    expected: list[torch.Tensor] = []
    ranked = [i for i in objectness.argsort(descending=True).tolist() if large[i]][:400]
    for index in ranked:
        wide = boxes[index] + torch.tensor([0.0, 0, 1, 1])
        kept = torch.stack(expected) + torch.tensor([0.0, 0, 1, 1]) if expected else torch.zeros(0, 4)
        if len(expected) < 50 and bool((box_iou(wide[None], kept) <= 0.7).all()):
            expected.append(boxes[index])
    assert torch.allclose(found, torch.stack(expected), atol=1e-3)
    assert torch.equal(found, snap(found))


def test_snapping_survives_the_way_to_the_original_and_back() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = snap(1000 * torch.rand(100_000, 4, generator=generator))
    for scale in (1.6, 600 / 427, 0.3333333, 37.5):
        assert torch.equal(snap((boxes / scale) * scale), boxes)


def test_pooling_takes_the_most_of_rounded_cells() -> None:
    # A map of 20 x 20 that counts its cells; a box from pixel 24 to 247 is cells 2 (of 1.5) to 15 (of 15.4): 14 of 14.
    maps = torch.arange(400.0).view(1, 1, 20, 20)
    pooled = roi_pool(maps, torch.tensor([[0.0, 24, 24, 247, 247]]), POOLED, 1 / 16)
    assert torch.equal(pooled[0, 0], maps[0, 0, 2:16, 2:16])
    # Of 28 x 28 cells each takes the most of two by two, which is the lower right.
    large = torch.arange(900.0).view(1, 1, 30, 30)
    pooled = roi_pool(large, torch.tensor([[0.0, 0, 0, 27 * 16, 27 * 16]]), POOLED, 1 / 16)
    assert torch.equal(pooled[0, 0], large[0, 0, 1:28:2, 1:28:2])
