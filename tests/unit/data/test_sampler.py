from __future__ import annotations

import pickle
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconotext.core.errors import ConfigError
from iconotext.data.sampler import BatchPlan, LengthSampler

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=300).map(np.array)


def epoch_of(sampler: LengthSampler, epoch: int) -> list[BatchPlan]:
    first = epoch * sampler.batches_per_epoch
    return [sampler.batch(first + number) for number in range(sampler.batches_per_epoch)]


def sampler_of(
    lengths: np.ndarray, unit: Literal["rows", "tokens"], size: int, seed: int = 0, **part: int
) -> LengthSampler:
    return LengthSampler(lengths, size if unit == "rows" else 40 * (size + 4), seed, unit, **part)


UNITS = st.sampled_from(["rows", "tokens"])


@given(LENGTHS, UNITS, st.integers(1, 17), st.integers(0, 3), st.integers(0, 2))
def test_every_row_comes_once_an_epoch(lengths: np.ndarray, unit: str, size: int, seed: int, epoch: int) -> None:
    plans = epoch_of(sampler_of(lengths, unit, size, seed), epoch)
    assert sorted(np.concatenate([plan.indices for plan in plans])) == list(range(len(lengths)))
    assert np.concatenate([plan.positions for plan in plans]).tolist() == list(range(len(lengths)))
    assert {plan.epoch for plan in plans} == {epoch}


@given(LENGTHS, st.integers(1, 17))
def test_batches_of_rows_are_full_and_even(lengths: np.ndarray, size: int) -> None:
    sizes = [len(plan.indices) for plan in epoch_of(LengthSampler(lengths, size, 0), 0)]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-len(lengths) // size)


@given(LENGTHS, st.integers(3, 20), st.integers(0, 3))
def test_batches_of_tokens_keep_the_budget(lengths: np.ndarray, factor: int, seed: int) -> None:
    budget = int(lengths.max()) * factor
    plans = epoch_of(LengthSampler(lengths, budget, seed, "tokens"), 1)
    assert all(1 <= lengths[plan.indices].sum() <= budget for plan in plans)


@given(LENGTHS, UNITS, st.integers(4, 17), st.integers(2, 4), st.integers(0, 40))
def test_the_slices_of_all_processes_join_to_the_global_batch(
    lengths: np.ndarray, unit: str, size: int, world: int, index: int
) -> None:
    size *= world
    try:
        parts = [sampler_of(lengths, unit, size, rank=rank, world=world).batch(index) for rank in range(world)]
    except ConfigError:
        assert len(lengths) < world or unit == "tokens"
        return
    whole = sampler_of(lengths, unit, size).batch(index)
    assert np.array_equal(np.concatenate([part.indices for part in parts]), whole.indices)
    assert np.array_equal(np.concatenate([part.positions for part in parts]), whole.positions)
    assert all(part.epoch == whole.epoch for part in parts)
    sizes = [len(part.indices) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@given(LENGTHS, UNITS, st.integers(1, 9), st.lists(st.integers(0, 500), min_size=1, max_size=6))
def test_a_batch_depends_on_its_number_only(lengths: np.ndarray, unit: str, size: int, numbers: list[int]) -> None:
    asked = sampler_of(lengths, unit, size)
    for number in numbers:
        again, fresh = asked.batch(number), sampler_of(lengths, unit, size).batch(number)
        assert np.array_equal(again.indices, fresh.indices)
        assert np.array_equal(again.positions, fresh.positions)


def test_lengths_in_a_batch_are_similar_and_epochs_and_seeds_differ() -> None:
    lengths = np.random.default_rng(0).integers(10, 60, 5000)
    for unit, size in (("rows", 32), ("tokens", 1200)):
        sampler = LengthSampler(lengths, size, 0, unit)  # type: ignore[arg-type]
        plans = epoch_of(sampler, 0)
        assert np.mean([np.std(lengths[plan.indices]) for plan in plans]) < 0.1 * np.std(lengths)
        means = np.array([lengths[plan.indices].mean() for plan in plans])
        assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3  # Neighbours in time are not neighbours in length.
        other_seed = LengthSampler(lengths, size, 1, unit)  # type: ignore[arg-type]
        first = set(plans[0].indices.tolist())
        for other in (sampler.batch(sampler.batches_per_epoch), other_seed.batch(0)):
            assert set(other.indices.tolist()) != first


def test_a_sampler_goes_to_another_process() -> None:
    sampler = LengthSampler(np.arange(1, 50), 7, 3, rank=1, world=2)
    assert np.array_equal(pickle.loads(pickle.dumps(sampler)).batch(5).indices, sampler.batch(5).indices)


@pytest.mark.parametrize(
    ("lengths", "batch", "unit", "world"),
    [([], 4, "rows", 1), ([1, 2], 0, "rows", 1), ([1, 2, 3], 8, "rows", 4), ([1, 9], 20, "tokens", 1)],
)
def test_what_cannot_be_batched_is_refused(lengths: list[int], batch: int, unit: str, world: int) -> None:
    with pytest.raises(ConfigError):
        LengthSampler(np.array(lengths, int), batch, 0, unit, world=world)  # type: ignore[arg-type]


SHARES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=4, max_size=200).map(np.array)


@given(SHARES, UNITS, st.integers(1, 17), st.integers(0, 3))
def test_a_weighted_row_comes_in_its_share_of_the_epochs(shares: np.ndarray, unit: str, size: int, seed: int) -> None:
    lengths = np.arange(len(shares)) % 40 + 1
    asked = size if unit == "rows" else 40 * (size + 4)
    if shares.sum() < 1:
        with pytest.raises(ConfigError):
            LengthSampler(lengths, asked, seed, unit, weights=shares)  # type: ignore[arg-type]
        return
    sampler = LengthSampler(lengths, asked, seed, unit, weights=shares)  # type: ignore[arg-type]
    epochs = [np.concatenate([plan.indices for plan in epoch_of(sampler, epoch)]) for epoch in range(3)]
    for epoch, rows in enumerate(epochs):
        assert len(rows) == len(set(rows.tolist())) == int(shares.sum())
        assert (shares[rows] > 0).all()
        for plan in epoch_of(sampler, epoch):
            assert plan.indices.size <= asked
            assert unit == "rows" or 1 <= lengths[plan.indices].sum() <= asked
    if shares.sum() == int(shares.sum()):
        assert set(np.flatnonzero(shares == 1.0)) <= set(epochs[0].tolist())


def test_how_often_weighted_rows_come() -> None:
    weights = np.random.default_rng(0).random(300)
    sampler = LengthSampler(np.arange(300) % 7 + 1, 16, 0, weights=weights.astype(np.float32))
    counts = np.bincount(
        np.concatenate([p.indices for epoch in range(400) for p in epoch_of(sampler, epoch)]), minlength=300
    )
    assert np.abs(counts / 400 - weights).max() < 0.12
    assert np.corrcoef(counts, weights)[0, 1] > 0.99
    again = pickle.loads(pickle.dumps(sampler))
    assert np.array_equal(again.batch(33).indices, sampler.batch(33).indices)


def test_weights_of_one_change_nothing() -> None:
    lengths = np.arange(90) % 11 + 1
    plain, weighted = LengthSampler(lengths, 8, 5), LengthSampler(lengths, 8, 5, weights=np.ones(90))
    assert all(np.array_equal(plain.batch(i).indices, weighted.batch(i).indices) for i in range(40))
