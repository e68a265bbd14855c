"""What networks of all kinds share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from iconotext.core.errors import DataError, MissingPiece
from iconotext.regions import pool
from iconotext.regions.detections import Detections
from iconotext.regions.pool import (
    alike,
    extra,
    given_boxes,
    in_groups,
    inside,
    mean_over,
    pixels_of,
    read_state,
    unlabelled,
)
from iconotext.regions.resize import Fitted, as_it_is

CPU = torch.device("cpu")


def picture(width: int, height: int, value: int = 0) -> Fitted:
    return as_it_is(np.full((height, width, 3), value, np.uint8))


def test_only_pictures_of_one_shape_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [picture(4, 3), picture(3, 4), picture(4, 3), picture(4, 3), picture(3, 4)]
    assert list(alike(pictures, CPU)) == [[0], [2], [3], [1], [4]]
    monkeypatch.setitem(pool.TOGETHER, "cpu", 2)
    assert list(alike(pictures, CPU)) == [[0, 2], [3], [1, 4]]


def test_the_order_of_the_pictures_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pool.TOGETHER, "cpu", 3)
    pictures = [picture(4 + i % 2, 3, i) for i in range(7)]

    def read(some: list[Fitted]) -> list[Detections]:
        assert len({p.pixels.shape for p in some}) == 1
        return [unlabelled(np.array([[0, 0, 1, 1]], np.float32), torch.tensor([[float(p.pixels.max())]])) for p in some]

    found = in_groups(pictures, CPU, read)
    assert [int(f.features[0, 0]) for f in found] == list(range(7))
    assert in_groups([], CPU, read) == []


def test_pixels_are_colours_first() -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[1, 2] = (10, 20, 30)
    found = pixels_of([as_it_is(pixels)], CPU)
    assert found.shape == (1, 3, 2, 3)
    assert found[0, :, 1, 2].tolist() == [10, 20, 30]


def test_means_over_boxes() -> None:
    maps = torch.stack([torch.arange(16.0).view(1, 4, 4), 100 + torch.arange(16.0).view(1, 4, 4)])
    shares = [torch.tensor([[0, 0, 1, 1], [0, 0, 0.5, 0.5]]), torch.tensor([[0.5, 0, 1, 1.0]])]
    found = mean_over(maps, shares)
    assert torch.allclose(found, torch.tensor([[7.5], [2.5], [108.5]]))
    none = mean_over(maps, [torch.zeros(0, 4), torch.zeros(0, 4)])
    assert none.shape == (0, 1)


def test_boxes_stay_inside_and_are_a_pixel_at_least() -> None:
    boxes = torch.tensor([[-5.0, -5, 5, 5], [3, 3, 3, 3], [90, 90, 200, 200], [150, 10, 160, 20]])
    expected = [[0, 0, 5, 5], [3, 3, 4, 4], [90, 79, 100, 80], [99, 10, 100, 20]]
    assert inside(boxes, 100, 80).tolist() == expected


def test_boxes_that_were_not_given() -> None:
    with pytest.raises(DataError, match="needs the boxes"):
        given_boxes(picture(3, 3), CPU)


def test_weights_of_every_wrapping(tmp_path: Path) -> None:
    state = {"a": torch.ones(2), "b": torch.zeros(1)}
    save_file(state, tmp_path / "plain.safetensors")
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"state_dict": {f"module.{name}": t for name, t in state.items()}, "epoch": 3}, tmp_path / "wrapped.pth")
    for name in ("plain.safetensors", "plain.pth", "wrapped.pth"):
        found = read_state(tmp_path / name)
        assert found.keys() == state.keys()
        assert torch.equal(found["a"], state["a"])


def test_what_holds_no_tensors(tmp_path: Path) -> None:
    with pytest.raises(MissingPiece):
        read_state(tmp_path / "gone.pth")
    (tmp_path / "text.safetensors").write_text("no tensors")
    (tmp_path / "empty.pth").touch()
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("text.safetensors", "empty.pth", "list.pth"):
        with pytest.raises(DataError, match=name):
            read_state(tmp_path / name)


def test_a_missing_package_names_its_extra() -> None:
    assert extra("json", "world").__name__ == "json"
    with pytest.raises(MissingPiece, match=r"pip install 'iconotext\[timm\]'"):
        extra("no_such_package_here", "timm")
