"""Configs to JSON and back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from iconotext.core.config import from_data, to_data
from iconotext.core.errors import ConfigError


@dataclass(frozen=True)
class Leaf:
    rate: float = 0.5
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    leaf: Leaf
    parts: tuple[tuple[float, Leaf], ...] = ()
    table: Mapping[str, Leaf | int | None] = field(default_factory=dict)


CLASSES = {"Leaf": Leaf, "Tree": Tree}


def test_there_and_back_through_json() -> None:
    tree = Tree(Leaf(0.1, ("ä", "中")), ((2, Leaf()), (1.5, Leaf(0.0))), {"a": Leaf(1e-12), "b": 3, "c": None})
    assert from_data(json.loads(json.dumps(to_data(tree))), CLASSES) == tree


def test_paths_become_text() -> None:
    assert to_data({"where": Path("a") / "b"}) == {"where": "a/b"}


def test_other_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="plain values only, not set"):
        to_data(Leaf(names={"a"}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"type": "Root"}, "unknown type 'Root'; known: Leaf, Tree"),
        ({"type": "Leaf", "speed": 3}, "Leaf has no setting 'speed'; it has: names, rate"),
        ({"type": "Tree", "parts": []}, "Tree needs a setting 'leaf'"),
        ({"type": "Tree", "leaf": {"type": "Leaf", "colour": 1}}, "Leaf has no setting 'colour'"),
    ],
)
def test_what_does_not_fit_is_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_data(data, CLASSES)
