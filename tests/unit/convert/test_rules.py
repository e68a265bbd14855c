"""Rules that carry tensors, and the report of what they did."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from iconotext.convert.rules import Rule, both, carry, modern_names, stacked
from iconotext.core.errors import DataError


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(2, 6)
        self.vector = nn.Parameter(torch.zeros(3))


RULES = [*stacked(["q", "k", "v"], "qkv"), Rule("table", "vector", row=1)]


def state() -> dict[str, torch.Tensor]:
    found = {}
    for number, name in enumerate("qkv"):
        found |= {f"{name}.weight": torch.full((2, 2), float(number)), f"{name}.bias": torch.full((2,), number + 0.5)}
    return found | {"table": torch.arange(6.0).view(2, 3)}


def test_three_maps_become_one_and_a_row_a_vector() -> None:
    model = Model()
    report = carry(model, state(), RULES, {})
    assert model.qkv.weight[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert model.qkv.bias.tolist() == [0.5, 0.5, 1.5, 1.5, 2.5, 2.5]
    assert model.vector.tolist() == [3, 4, 5]
    assert set(report.taken) == set(state())
    assert report.left == {}
    assert report.unfilled == ()


def test_a_missing_slice_leaves_the_matrix_unfilled() -> None:
    found = state()
    del found["k.bias"], found["table"]
    assert carry(Model(), found, RULES, {}).unfilled == ("qkv.bias", "vector")


def test_what_is_left_has_its_reason() -> None:
    found = state() | {"decoder.weight": torch.zeros(1), "other": torch.zeros(1)}
    report = carry(Model(), found, RULES, {"decoder.": "tied to the word table"})
    assert report.left == {"decoder.weight": "tied to the word table", "other": "no place in this model"}


def test_another_shape_is_refused_by_name() -> None:
    found = state() | {"k.weight": torch.zeros(3, 2)}
    with pytest.raises(DataError, match=r"k.weight has shape \(3, 2\), but qkv.weight needs \(2, 2\)"):
        carry(Model(), found, RULES, {})


def test_half_precision_is_widened() -> None:
    model = Model()
    carry(model, {name: tensor.half() for name, tensor in state().items()}, RULES, {})
    assert model.qkv.weight.dtype == torch.float32


def test_old_names() -> None:
    old = {
        "module.bert.LayerNorm.gamma": torch.ones(1),
        "module.bert.LayerNorm.beta": torch.zeros(1),
        "x": torch.zeros(1),
    }
    assert list(modern_names(old)) == ["bert.LayerNorm.weight", "bert.LayerNorm.bias", "x"]


def test_a_rule_finds_its_place_backwards() -> None:
    rule = Rule("k.weight", "qkv.weight", 1, 3)
    target = torch.arange(12.0).view(6, 2)
    assert torch.equal(rule.place(target), target[2:4])
    assert [r.source for r in both("a", "b")] == ["a.weight", "a.bias"]
