"""Packed rows: offsets, rows of tokens, and moving every tensor of a batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from samples import PAGES, batch_of, equal, tensors
from torch import Tensor

from iconotext.core.batch import Loss, Text, map_tensors, offsets_of, row_of
from iconotext.objectives.base import Corrupted, Targets


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_offsets_and_rows(lengths: list[int]) -> None:
    offsets = offsets_of(torch.tensor(lengths))
    assert offsets.diff().tolist() == lengths
    assert row_of(offsets).tolist() == [row for row, length in enumerate(lengths) for _ in range(length)]


@dataclass(frozen=True)
class Nest:
    plain: Tensor
    table: dict[str, Tensor]
    deep: dict[str, Targets]
    name: str = "kept"


def test_map_tensors_reaches_every_tensor() -> None:
    targets = Targets(torch.tensor([1]), torch.tensor([2.0]), 3.0)
    nest = Nest(torch.tensor([4]), {"a": torch.tensor([5])}, {"b": targets})
    moved = map_tensors(nest, lambda tensor: tensor + 100)
    assert {int(tensor) for tensor in tensors(moved).values()} == {101, 102, 104, 105}
    assert moved.name == "kept"
    assert moved.deep["b"].count == 3.0
    assert nest.table["a"] == 5


def test_a_batch_moves_to_a_device_whole() -> None:
    batch = batch_of(PAGES["vilbert"], [3, 0], [2, 4])
    corrupted = Corrupted(batch, {"x": Targets(torch.tensor([1]), torch.tensor([2.0]), 1.0)})
    moved = corrupted.to("meta")
    assert all(tensor.device.type == "meta" for tensor in tensors(moved).values())
    assert moved.batch.pattern == batch.pattern
    assert len(batch) == 2
    assert equal(batch.to("cpu"), batch)


def test_shapes_are_checked() -> None:
    with pytest.raises(TypeCheckError):
        Text(
            *[torch.zeros(n, dtype=torch.long) for n in (3, 3, 4, 3)],
            torch.zeros(3) > 0,
            torch.zeros(3),
            torch.zeros(2),
        )


def test_the_mean_of_a_loss_of_nothing_is_zero() -> None:
    assert Loss(torch.tensor(0.0), torch.tensor(0.0)).mean == 0
    assert Loss(torch.tensor(6.0), torch.tensor(4.0)).mean == 1.5
