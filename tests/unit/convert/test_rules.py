"""Rules that carry tensors, the report of what they did, and the errors where a tensor does not fit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from iconotext.convert.carry import carry, modern_names, part_of
from iconotext.convert.rules import Rule, both, stacked
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


def test_a_missing_tensor_is_named() -> None:
    found = state()
    del found["k.bias"], found["table"]
    with pytest.raises(DataError, match=r"k\.bias is missing\n  table is missing$"):
        carry(Model(), found, RULES, {})


def test_a_part_may_be_missing_as_a_whole_and_is_told() -> None:
    found = state()
    del found["table"]
    assert carry(Model(), found, RULES, {}, optional=("vector",)).unfilled == ("vector",)
    del found["k.bias"]
    with pytest.raises(DataError, match=r"k\.bias is missing$"):
        carry(Model(), found, RULES, {}, optional=("vector", "qkv"))


def test_every_head_is_a_part_of_its_own() -> None:
    assert part_of("heads.mlm.transform.norm.bias") == "heads.mlm"
    assert part_of("trunk.text.norm.bias") is None
    assert part_of("trunk.pooler.text.bias", ("trunk.pooler",)) == "trunk.pooler"


def test_what_is_left_has_its_reason() -> None:
    found = state() | {"decoder.weight": torch.zeros(1), "again": torch.arange(6.0).view(2, 3)}
    report = carry(Model(), found, RULES, {"decoder.": "never used"}, {"again": "table"})
    assert report.left == {"decoder.weight": "never used", "again": "repeats table"}


def test_a_stranger_is_named() -> None:
    with pytest.raises(DataError, match=r"other \(1,\) has no place"):
        carry(Model(), state() | {"other": torch.zeros(1)}, RULES, {})


def test_a_repeated_tensor_may_stand_alone_but_not_differ() -> None:
    found, model = state(), Model()
    found["again"] = found.pop("table")
    assert carry(model, found, RULES, {}, {"again": "table"}).unfilled == ()
    assert model.vector.tolist() == [3, 4, 5]
    with pytest.raises(DataError, match="again should repeat table"):
        carry(Model(), found | {"table": torch.zeros(2, 3)}, RULES, {}, {"again": "table"})


def test_two_sources_of_one_place_have_to_be_equal() -> None:
    rules = [*RULES, Rule("v_k.bias", "qkv.bias", 1, 3)]
    carry(Model(), state() | {"v_k.bias": state()["k.bias"]}, rules, {})
    carry(Model(), state(), rules, {})
    with pytest.raises(DataError, match=r"v_k\.bias should repeat k\.bias"):
        carry(Model(), state() | {"v_k.bias": torch.zeros(2)}, rules, {})


def test_another_shape_is_refused_by_name() -> None:
    for shape in ((3, 2), (2, 2, 1), ()):
        with pytest.raises(DataError, match=r"k.weight has shape \(.*\), but qkv.weight needs \(2, 2\)"):
            carry(Model(), state() | {"k.weight": torch.zeros(shape)}, RULES, {})
    with pytest.raises(DataError, match="table has shape"):
        carry(Model(), state() | {"table": torch.zeros(())}, RULES, {})


def test_a_model_on_the_meta_device_is_checked_only() -> None:
    with torch.device("meta"):
        model = Model()
    assert carry(model, state(), RULES, {}).unfilled == ()
    with pytest.raises(DataError, match="stranger"):
        carry(model, state() | {"stranger": torch.zeros(1)}, RULES, {})


def test_many_problems_are_counted() -> None:
    with pytest.raises(DataError, match=r"and 8 more$"):
        carry(Model(), state() | {f"x{i}": torch.zeros(1) for i in range(20)}, RULES, {})


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
