"""Location encodings: the numbers of each, and what they do not depend on."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iconotext.nn.location import encode_location
from iconotext.nn.terms import LOCATION_WIDTH

BOXES, SIZES = torch.tensor([[10.0, 20, 110, 220]]), torch.tensor([[400.0, 300]])
CORNERS = [10 / 400, 20 / 300, 110 / 400, 220 / 300]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("box4", CORNERS),
        ("box5", [*CORNERS, 100 * 200 / (400 * 300)]),
        ("box7", [*CORNERS, 100 / 400, 200 / 300, 100 / 400 * 200 / 300]),
        ("box6", [10 / 110, 20 / 220, 1, 1, 100 / 110 * 200 / 220, 1]),  # the only box is the largest
        ("sincos", [100 * 60 / 400, 100 * 120 / 300, 100 * 100 / 400, 100 * 200 / 300]),
    ],
)
def test_numbers(kind: str, expected: list[float]) -> None:
    torch.testing.assert_close(encode_location(kind, BOXES, SIZES), torch.tensor([expected]))


@pytest.mark.parametrize("kind", sorted(LOCATION_WIDTH))
@given(st.floats(0.01, 100), st.integers(0, 2**32))
def test_scaling_image_and_boxes_changes_nothing(kind: str, factor: float, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    sizes = torch.rand(5, 2, generator=random) * 500 + 1
    boxes = torch.rand(5, 2, 2, generator=random).sort(1).values.flatten(1) * sizes.repeat(1, 2)
    before = encode_location(kind, boxes, sizes)
    assert before.shape == (5, LOCATION_WIDTH[kind])
    torch.testing.assert_close(encode_location(kind, boxes * factor, sizes * factor), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(LOCATION_WIDTH))
def test_the_whole_image(kind: str) -> None:
    whole = torch.cat([torch.zeros(1, 2), SIZES], 1)
    expected = [50, 50, 100, 100] if kind == "sincos" else [0, 0, 1, 1, 1, 1, 1][: LOCATION_WIDTH[kind]]
    assert encode_location(kind, whole, SIZES)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_box6_divides_by_the_largest_coordinate_of_each_image_and_keeps_the_score() -> None:
    boxes = torch.tensor([[10.0, 20, 110, 220], [50, 0, 200, 100], [0, 0, 50, 40]])
    found = encode_location("box6", boxes, torch.ones(3, 2), torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0, 0, 1]))
    expected = torch.tensor(
        [
            [10 / 200, 20 / 220, 110 / 200, 1, 100 / 200 * 200 / 220, 0.9],
            [50 / 200, 0, 1, 100 / 220, 150 / 200 * 100 / 220, 0.5],
            [0, 0, 1, 1, 1, 0.1],
        ]
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(LOCATION_WIDTH))
def test_no_boxes(kind: str) -> None:
    assert encode_location(kind, torch.zeros(0, 4), torch.zeros(0, 2)).shape == (0, LOCATION_WIDTH[kind])
