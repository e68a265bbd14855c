from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from iconotext.tasks.metrics.intervals import figure, paired, wilson


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_scipy(trials: tuple[int, int]) -> None:
    wanted = binomtest(*trials).proportion_ci(0.95, method="wilson")
    assert wilson(*trials) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    empty = figure("none", np.zeros(0))
    assert (empty.value, empty.low, empty.high, empty.n) == (0.0, 0.0, 1.0, 0)


def test_single_trials_get_wilson() -> None:
    found = figure("hits", np.array([1.0] * 30 + [0.0] * 10))
    assert (found.value, found.n) == (0.75, 40)
    assert (found.low, found.high) == wilson(30, 40)


def test_cases_of_one_unit_are_not_independent() -> None:
    values = np.repeat(np.array([1.0, 0.0] * 20), 5)
    apart = figure("apart", values)
    together = figure("together", values, np.repeat(np.arange(40), 5))
    assert together.n == apart.n == 200
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert together.high - together.low == pytest.approx(wilson(20, 40)[1] - wilson(20, 40)[0], abs=0.03)


def test_all_right_is_not_certain() -> None:
    found = figure("all", np.ones(100), np.repeat(np.arange(20), 5))
    assert (found.low, found.high) == wilson(20, 20)
    assert found.low < 0.9


def test_the_same_seed_gives_the_same_interval() -> None:
    values, units = np.random.default_rng(0).random(60), np.arange(60) // 3
    one, two, other = (figure("x", values, units, seed) for seed in (1, 1, 2))
    assert one == two
    assert one.value == other.value
    assert (one.low, one.high) != (other.low, other.high)


def test_the_bootstrap_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).random(400)
    found = figure("mean", values)
    error = values.std() / 20
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_units_may_be_names() -> None:
    values = np.array([0.0, 0.5, 1.0, 0.5])
    named = figure("x", values, np.array(["b", "b", "a", "a"]))
    assert named == figure("x", values, np.array([1, 1, 0, 0]))


def test_a_paired_difference_is_surer_than_two_figures() -> None:
    random = np.random.default_rng(0)
    first = random.random(400)
    second = first + 0.02 + 0.05 * random.standard_normal(400)
    found = paired("x", first, second, np.arange(400))
    assert found.value == pytest.approx(np.mean(second - first))
    assert found.low < found.value < found.high
    assert found.low > 0
    assert found.p == pytest.approx(2 / 1001)
    mine, other = figure("x", first), figure("x", second)
    assert other.low < mine.high


def test_pairs_of_one_unit_are_one_trial() -> None:
    first, second = np.zeros(100), np.array([1.0, -0.5] * 50)
    assert paired("x", first, second, np.arange(100)).p < 0.05
    both = paired("x", first, second, np.arange(100) % 2)
    assert both.p > 0.4
    assert (both.low, both.high) == (-0.5, 1.0)


def test_without_a_difference_p_is_uniform() -> None:
    random = np.random.default_rng(1)
    found = [paired(f"{i}", np.zeros(50), random.standard_normal(50), np.arange(50)).p for i in range(100)]
    assert 0 <= np.mean(np.array(found) < 0.05) <= 0.12
    assert 0.35 < np.mean(found) < 0.65


def test_nothing_to_compare() -> None:
    found = paired("x", np.zeros(0), np.zeros(0), np.zeros(0))
    assert (found.value, found.low, found.high, found.p, found.n) == (0.0, -1.0, 1.0, 1.0, 0)
