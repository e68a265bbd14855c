"""Positions on a grid."""

from __future__ import annotations

import pytest
import torch

from iconotext.nn.grid import GridTable
from iconotext.nn.location import encode_location


def places(rows: int, columns: int) -> torch.Tensor:
    """Where the cells of a grid lie, by their boxes."""
    corner = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).flip(1) * 7.0
    size = torch.tensor([[7.0 * columns, 7.0 * rows]]).expand(len(corner), 2)
    return encode_location("slide", torch.cat([corner, corner + 7], 1), size)


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (5, 2), (1, 6), (1, 1), (7, 9)])
def test_any_number_of_cells_is_read_by_bilinear_interpolation(rows: int, columns: int) -> None:
    torch.manual_seed(0)
    table = GridTable(3, 4, 5)
    image = table.table.weight[1:].t().view(1, 5, 3, 4)
    expected = torch.nn.functional.interpolate(image, (rows, columns), mode="bilinear", align_corners=True)
    found = table(places(rows, columns), torch.zeros(rows * columns, dtype=torch.bool))
    torch.testing.assert_close(found, expected[0].flatten(1).t(), rtol=0, atol=1e-5)


def test_the_whole_image_has_a_row_of_its_own() -> None:
    table = GridTable(3, 4, 5)
    found = table(torch.zeros(2, 2), torch.tensor([True, False]))
    assert torch.equal(found[0], table.table.weight[0])
    assert torch.equal(found[1], table.table.weight[1])


def test_how_far_a_box_lies_in_its_picture() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [30, 10, 40, 20], [0, 0, 40, 20], [15, 0, 25, 20]])
    found = encode_location("slide", boxes, torch.tensor([[40.0, 20]]).expand(4, 2))
    assert found.tolist() == [[0, 0], [1, 1], [0, 0], [0.5, 0]]
