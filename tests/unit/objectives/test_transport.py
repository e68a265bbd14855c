"""Optimal transport: the original's values, and what a plan is."""

from __future__ import annotations

import padded
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iconotext.objectives.transport import cosine_cost, transport_distance, transport_plan

TEXT = torch.arange(24.0).sin().view(2, 4, 3)
REGION = (0.7 * torch.arange(30.0)).cos().view(2, 5, 3)
WORDS = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]) > 0
REGIONS = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]) > 0


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [(50, [0.364779, 0.532101]), (1, [0.439556, 0.570584]), (5, [0.336192, 0.565216])],
)
def test_the_originals_values(iterations: int, expected: list[float]) -> None:
    found = transport_distance(TEXT, REGION, WORDS, REGIONS, iterations=iterations)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=2e-6)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2), st.integers(0, 2))
def test_a_plan_moves_everything_and_padding_nothing(seed: int, words: int, many: int, more: int, extra: int) -> None:
    random = torch.Generator().manual_seed(seed)
    text = torch.randn(1, words + more, 4, generator=random)
    region = torch.randn(1, many + extra, 4, generator=random)
    real = torch.arange(words + more)[None] < words, torch.arange(many + extra)[None] < many
    cost = cosine_cost(text, region)
    plan = transport_plan(cost, *real, iterations=50)[0]
    assert plan.shape == (many + extra, words + more)
    assert not plan[many:].any()
    assert not plan[:, words:].any()
    torch.testing.assert_close(plan.sum(0)[:words], torch.full((words,), 1 / words))
    torch.testing.assert_close(plan.sum(), torch.tensor(1.0))
    distance = transport_distance(text, region, *real)
    alone = padded.distance(text[0, :words], region[0, :many], 0.5, 50)
    torch.testing.assert_close(distance[0], alone, rtol=1e-4, atol=1e-5)


def test_equal_sets_cost_next_to_nothing() -> None:
    states = torch.eye(4)[None]
    real = torch.ones(1, 4, dtype=torch.bool)
    assert float(transport_distance(states, states.flip(1), real, real)) < 1e-3


def test_the_gradient_flows_through_the_cost_alone() -> None:
    text = TEXT.clone().requires_grad_()
    transport_distance(text, REGION, WORDS, REGIONS).sum().backward()
    assert text.grad is not None
    assert not text.grad[1, 3].any()
    other = TEXT.clone().requires_grad_()
    cost = cosine_cost(other, REGION).masked_fill(~(WORDS[:, :, None] & REGIONS[:, None]), 0.0)
    plan = transport_plan(cost.detach(), WORDS, REGIONS)
    (cost * plan.transpose(1, 2)).sum().backward()
    torch.testing.assert_close(text.grad, other.grad)
