"""Dropout on a CPU: the rate, the scale, what it repeats and what it does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from iconotext.nn.dropout import Dropout


def factors(rate: float, numel: int = 100_000, dtype: torch.dtype = torch.float32) -> Tensor:
    return Dropout(rate).train()(torch.ones(numel, dtype=dtype))


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_rate_and_scale(rate: float) -> None:
    torch.manual_seed(0)
    found = factors(rate)
    real = round(rate * 256) / 256
    dropped = int((found == 0).sum())
    assert abs(dropped - real * found.numel()) < 5 * (found.numel() * real * (1 - real)) ** 0.5
    torch.testing.assert_close(found[found != 0], torch.full((found.numel() - dropped,), 1 / (1 - real)))


def test_neighbours_are_independent() -> None:
    torch.manual_seed(0)
    kept = (factors(0.5) != 0).double()
    for shift in (1, 2, 8, 256):
        assert abs(torch.corrcoef(torch.stack([kept[shift:], kept[:-shift]]))[0, 1]) < 0.02


def test_a_seed_repeats_its_masks_and_calls_differ() -> None:
    torch.manual_seed(3)
    one, two = factors(0.5), factors(0.5)
    torch.manual_seed(3)
    assert torch.equal(factors(0.5), one)
    assert torch.equal(factors(0.5), two)
    torch.manual_seed(4)
    three = factors(0.5)
    for a, b in ((one, two), (one, three), (two, three)):
        assert abs(float(((a != 0) == (b != 0)).double().mean()) - 0.5) < 0.02


def test_masks_do_not_depend_on_what_was_drawn_under_another_seed() -> None:
    torch.manual_seed(5)
    factors(0.1, 10)
    expected = factors(0.5)
    torch.manual_seed(6)
    factors(0.1, 7)
    torch.manual_seed(5)
    factors(0.1, 10)
    assert torch.equal(factors(0.5), expected)


def test_the_gradient_is_the_mask() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 40, requires_grad=True)
    weights = torch.randn(50, 40)
    y = Dropout(0.25).train()(x)
    (y * weights).sum().backward()
    mask = torch.where(y == 0, 0.0, 1 / 0.75)
    torch.testing.assert_close(y, x.detach() * mask)
    torch.testing.assert_close(x.grad, weights * mask)


@pytest.mark.parametrize("shape", [(1,), (2, 3), (255, 257)])
def test_any_shape_and_type(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.ones(shape, dtype=torch.bfloat16)
    y = Dropout(0.5).train()(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert set(y.flatten().tolist()) <= {0.0, 2.0}


def test_nothing_happens_in_evaluation_at_rate_zero_or_to_nothing() -> None:
    x = torch.randn(10)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x
    assert Dropout(0.5).train()(x[:0]).numel() == 0


def test_two_dropouts_of_one_seed_share_no_state() -> None:
    """Masks depend on the seed and the order of calls, not on which module calls or what lies in memory."""
    one, other = Dropout(0.5).train(), Dropout(0.5).train()
    x = torch.ones(1000)
    torch.manual_seed(1)
    expected = [one(x), one(x)]
    torch.manual_seed(1)
    assert torch.equal(one(x), expected[0])
    assert torch.equal(other(x), expected[1])
