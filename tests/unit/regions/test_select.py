from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import nms

from iconotext.core.boxes import iou
from iconotext.core.errors import ConfigError
from iconotext.regions.select import Selection, choose, confidences, select


def random_boxes(seed: int, pictures: int, count: int) -> tuple[Float[Tensor, "B P 4"], Float[Tensor, "B P"]]:
    random = torch.Generator().manual_seed(seed)
    corner = torch.rand(pictures, count, 2, generator=random) * 60
    side = 10 + torch.rand(pictures, count, 2, generator=random) * 50
    return torch.cat([corner, corner + side], -1), torch.rand(pictures, count, generator=random)


@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(12, 50), st.floats(0.05, 0.95))
def test_the_rule_holds(seed: int, pictures: int, count: int, threshold: float) -> None:
    rule = Selection(minimum=5, maximum=12, threshold=threshold)
    boxes, scores = random_boxes(seed, pictures, count)
    confidence = confidences(boxes, scores, rule.nms)
    order, counts = select(confidence, rule)
    assert order.shape == (pictures, 12)
    for picture in range(pictures):
        mine = confidence[picture]
        kept = order[picture, : counts[picture]]
        above = int((mine >= threshold).sum())
        assert len(set(kept.tolist())) == len(kept) == min(max(above, 5), 12)
        assert (mine[kept].diff() <= 0).all()
        left_out = mine[[i for i in range(count) if i not in kept.tolist()]]
        assert (left_out <= mine[kept].min()).all()
        survivors = boxes[picture, mine > 0]
        assert (iou(survivors, survivors) - torch.eye(len(survivors)) * 2 <= rule.nms).all()


@given(st.integers(0, 2**31))
def test_pictures_do_not_see_each_other(seed: int) -> None:
    boxes, scores = random_boxes(seed, 4, 20)
    together = confidences(boxes, scores, 0.5)
    for index in range(4):
        assert torch.equal(together[index : index + 1], confidences(boxes[index, None], scores[index, None], 0.5))


@given(st.integers(0, 2**31), st.floats(0.1, 0.9))
def test_suppression_is_torchvisions(seed: int, threshold: float) -> None:
    boxes, scores = random_boxes(seed, 2, 40)
    kept = confidences(boxes, scores, threshold) > 0
    for index in range(2):
        assert sorted(nms(boxes[index], scores[index], threshold).tolist()) == kept[index].nonzero()[:, 0].tolist()


def test_a_covered_box_loses_its_confidence_and_is_taken_last() -> None:
    boxes = torch.tensor([[[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 1, 10, 10]]], dtype=torch.float32)
    scores = torch.tensor([[0.9, 0.8, 0.1, 0.7]])
    confidence = confidences(boxes, scores, 0.5)
    assert torch.allclose(confidence, torch.tensor([[0.9, 0.0, 0.1, 0.0]]))
    order, counts = select(confidence, Selection(3, 4, 0.2))
    assert order[0, : counts[0]].tolist() == [0, 2, 1]


def test_rules_that_cannot_hold_are_refused() -> None:
    with pytest.raises(ConfigError, match="minimum"):
        Selection(minimum=12, maximum=10)
    with pytest.raises(ConfigError, match="fewer than the minimum"):
        select(torch.rand(1, 9), Selection())


@given(st.integers(1, 20), st.integers(0, 30), st.floats(0, 1), st.floats(0, 1))
def test_a_rule_is_read_as_it_is_written(minimum: int, more: int, threshold: float, nms: float) -> None:
    rule = Selection(minimum, minimum + more, threshold, nms)
    assert str(Selection.parse(str(rule))) == str(rule)


def test_text_that_is_no_rule() -> None:
    with pytest.raises(ConfigError, match="no rule"):
        Selection.parse("grid 6x4")


def test_all_boxes_where_they_are_fewer_than_the_minimum() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [20, 0, 24, 4], [0, 0, 4, 4.1]])
    order, confidence = choose(boxes, torch.tensor([0.3, 0.9, 0.2]), Selection(minimum=10))
    assert order.tolist() == [1, 0, 2]
    assert torch.allclose(confidence, torch.tensor([0.9, 0.3, 0.0]))
    none, _ = choose(boxes[:0], torch.zeros(0), Selection())
    assert none.tolist() == []
