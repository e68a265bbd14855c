"""Draws: even, independent of order and company, and separate for each purpose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from iconotext.core.batch import offsets_of
from iconotext.core.seed import Draw, derive, generator, permutation, scramble, uniform

SEEDS = st.integers(0, 2**63 - 1)
LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=8)


def test_scramble_is_splitmix64() -> None:
    # The first outputs of the published generator seeded with 0: output n is scramble(n * step).
    step = 0x9E3779B97F4A7C15
    states = np.array([n * step % 2**64 for n in range(3)], np.uint64)
    assert [hex(x) for x in scramble(states)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


def test_derive_tells_numbers_from_names_and_keeps_order() -> None:
    keys = [derive(1), derive("1"), derive(1, 2), derive(2, 1), derive(12), derive("a", "b"), derive("ab"), derive()]
    assert len(set(keys)) == len(keys)
    assert derive(3, "scene", 7) == 15604778652234534133  # on every machine, in every version


def test_a_draw_is_even() -> None:
    draw = Draw(0, 0, np.arange(20_000))
    numbers = draw.rows("mask").numpy()
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3
    neighbours = np.corrcoef(numbers[1:], numbers[:-1])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(len(numbers))


def test_tokens_of_a_row_are_even_and_independent() -> None:
    rows, length = 2000, 20
    offsets = offsets_of(torch.full((rows,), length))
    table = Draw(5, 1, np.arange(rows)).tokens("mask", offsets).view(rows, length).numpy()
    assert stats.kstest(table.ravel(), "uniform").pvalue > 1e-3
    correlation = np.corrcoef(table.T) - np.eye(length)
    assert np.abs(correlation).max() < 5 / np.sqrt(rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Draw(0, 0, np.arange(5000)), Draw(1, 0, np.arange(5000))),
        (Draw(0, 0, np.arange(5000)), Draw(0, 1, np.arange(5000))),
        (Draw(1, 0, np.arange(5000)), Draw(0, 1, np.arange(5000))),
        (Draw(0, 0, np.arange(5000)), Draw(0, 0, np.arange(5000, 10000))),
    ],
)
def test_seeds_epochs_and_positions_are_independent(one: Draw, other: Draw) -> None:
    a, b = one.rows("x").numpy(), other.rows("x").numpy()
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.06
    assert not np.isin(a, b).any()


def test_purposes_are_independent() -> None:
    draw = Draw(0, 0, np.arange(5000))
    a, b = draw.rows("mask words").numpy(), draw.rows("mask regions").numpy()
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.06


@given(SEEDS, st.integers(0, 100), LENGTHS, st.randoms())
def test_a_row_draws_the_same_in_any_company(seed: int, epoch: int, lengths: list[int], random) -> None:
    positions = np.array([random.randrange(2**40) for _ in lengths])
    order = list(range(len(lengths)))
    random.shuffle(order)
    together = Draw(seed, epoch, positions).tokens("x", offsets_of(torch.tensor(lengths)))
    offsets = offsets_of(torch.tensor(lengths))
    shuffled = Draw(seed, epoch, positions[order])
    moved = shuffled.tokens("x", offsets_of(torch.tensor(lengths)[order])).split([lengths[i] for i in order])
    for place, row in enumerate(order):
        assert torch.equal(moved[place], together[int(offsets[row]) : int(offsets[row + 1])])
        alone = Draw(seed, epoch, positions[row : row + 1])
        assert torch.equal(alone.tokens("x", torch.tensor([0, lengths[row]])), moved[place])
        assert alone.rows("x")[0] == shuffled.rows("x")[place]


@given(SEEDS)
def test_uniform_stays_below_one(seed: int) -> None:
    numbers = uniform(np.array([seed, 2**64 - 1 - seed, 0, 2**64 - 1], np.uint64))
    assert ((numbers >= 0) & (numbers < 1)).all()


def test_generators_and_permutations_depend_on_their_parts_only() -> None:
    assert generator(1, "a", 2).random() == generator(1, "a", 2).random() != generator(1, "a", 3).random()
    one = permutation(50, 3, "epoch", 1)
    assert sorted(one.tolist()) == list(range(50))
    assert (one == permutation(50, 3, "epoch", 1)).all()
    assert (one != permutation(50, 3, "epoch", 2)).any()
