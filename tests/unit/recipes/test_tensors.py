"""Lists of tensors for a person to read."""

from __future__ import annotations

import io

import torch
from rich.console import Console

from iconotext.recipes.tensors import plain, ranged, show


def test_names_that_differ_in_numbers_are_one() -> None:
    assert ranged(["a.0.b.1", "a.1.b.1", "a.2.b.1"]) == "a.0..2.b.1"
    assert ranged(["plain"]) == "plain"
    assert plain("layer.11.norm") == "layer.#.norm"


def test_a_list_has_a_line_a_kind() -> None:
    out = io.StringIO()
    rows = [(f"layer.{i}.w", torch.zeros(2, 3), f"place.{2 * i}") for i in range(3)]
    show(Console(file=out, width=40), "mapped", [*rows, ("x", torch.zeros(()), "[nowhere]")])
    assert out.getvalue() == (
        "mapped: 4 tensors, 19 numbers\n  layer.0..2.w  2 x 3  place.0..4\n  x             1      [nowhere]\n\n"
    )


def test_nothing_is_said_as_well() -> None:
    out = io.StringIO()
    show(Console(file=out), "new", [])
    assert out.getvalue() == "new: 0 tensors, 0 numbers\n\n"
