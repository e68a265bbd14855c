"""Whose turn it is, and which tasks rest."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iconotext.core.errors import ConfigError
from iconotext.tasks.turns import Rules, Sampling, Standing, Turns

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=4)
SAMPLING = st.sampled_from(["rounds", "size"])


def named(sizes: list[int]) -> dict[str, int]:
    return {f"t{i}": size for i, size in enumerate(sizes)}


def walked(turns: Turns, scores: list[float], stop: int = 10**6) -> list[tuple[str, int]]:
    """The turns of a run whose looks give ``scores``, one after the other and again; cut after the looks at ``stop``."""
    taken: list[tuple[str, int]] = []
    looks = 0
    while turns.ahead and turns.step < stop:
        taken += [(turn.task, turn.number) for turn in turns.ahead]
        heard = turns.due(turns.step + len(turns.ahead))
        turns.heard({name: scores[(looks + i) % len(scores)] for i, name in enumerate(heard)})
        looks += len(heard)
    return taken


def test_a_trace_by_hand() -> None:
    """12-in-1's rules: above the best by more than 0.1 % is better, two looks without stop, 0.5 % below the best goes on."""
    standing, trace = Standing(), []
    for score in (0.500, 0.600, 0.6005, 0.6003, 0.6000, 0.5999, 0.6100, 0.6080, 0.6060, 0.6062, 0.6070, 0.6071):
        standing = standing.after(score, Rules())
        trace.append((standing.best, standing.bad, standing.cooling, standing.stopped))
    assert trace == [
        (0.500, 0, 0, False),  # the first is the best there is
        (0.600, 0, 0, False),  # better
        (0.600, 1, 0, False),  # 0.08 % is not better
        (0.600, 0, 1, True),  # nor is this: two in a row, so it stops
        (0.600, 0, 0, True),  # this look does not count
        (0.600, 1, 0, True),
        (0.610, 0, 0, True),  # better, but nothing is wrong with resting
        (0.610, 1, 0, True),  # 0.33 % below the best is near enough
        (0.610, 0, 1, False),  # 0.66 % below: it goes
        (0.610, 0, 0, False),  # does not count
        (0.610, 1, 0, False),
        (0.610, 0, 1, True),
    ]


def test_what_falls_is_not_stopped() -> None:
    standing = Standing(best=0.6, bad=1).after(0.5, Rules())
    assert not standing.stopped


def test_a_score_that_is_no_number_says_nothing() -> None:
    standing = Standing(0.5, 1, 0, True)
    assert standing.after(math.nan, Rules()) == standing


@given(SIZES, st.integers(1, 60), st.integers(0, 3))
def test_in_rounds_every_task_comes_once_a_round(sizes: list[int], steps: int, seed: int) -> None:
    names = list(named(sizes))
    taken = walked(Turns(named(sizes), steps, seed), [0.5])
    assert [name for name, _ in taken] == [names[i % len(names)] for i in range(steps)]
    assert [number for _, number in taken] == [i // len(names) for i in range(steps)]


@given(SIZES, SAMPLING, st.integers(0, 7), st.integers(0, 3))
def test_a_task_counts_its_own_turns(sizes: list[int], sampling: Sampling, every: int, seed: int) -> None:
    turns = Turns(named(sizes), 50, seed, sampling, Rules(), every, ["t0"])
    taken = walked(turns, [0.5, 0.4, 0.4])
    assert len(taken) == turns.step == 50
    seen: Counter[str] = Counter()
    for name, number in taken:
        assert number == seen[name]
        seen[name] += 1
    assert dict(seen) == {name: count for name, count in turns.done.items() if count}


@given(SIZES, SAMPLING, st.integers(0, 7), st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(0, 40))
def test_a_run_goes_on_from_its_state(
    sizes: list[int], sampling: Sampling, every: int, scores: list[float], stop: int
) -> None:
    def made() -> Turns:
        return Turns(named(sizes), 40, 3, sampling, Rules(), every, named(sizes))

    whole, first, second = made(), made(), made()
    before = walked(first, [scores[0]], stop)
    second.restore(json.loads(json.dumps(first.state())))
    assert second.ahead == first.ahead
    assert walked(first, scores) == walked(second, scores)
    assert before == walked(whole, [scores[0]], stop)


def test_a_stopped_task_has_every_fourth_round() -> None:
    turns = Turns({"a": 4, "b": 4}, 40, 0, rules=Rules(), every=10, watched=["a", "b"])
    for scores in ({"a": 0.5, "b": 0.5}, {"a": 0.6, "b": 0.5}, {"a": 0.7, "b": 0.5}):
        turns.heard(scores)
    assert [turns.standings[name].stopped for name in "ab"] == [False, True]
    assert turns.tick == 30
    assert "".join(turn.task for turn in turns.ahead) == "aabaaaabaa"  # rounds 15 to 23; 16 and 20 are fourth ones


def test_all_stopped_tasks_still_have_turns() -> None:
    turns = Turns({"a": 4, "b": 4}, 99, 0, rules=Rules(), every=1, watched=["a", "b"])
    taken = walked(turns, [0.5])
    assert all(turns.standings[name].stopped for name in "ab")
    assert Counter(name for name, _ in taken[-20:]) == {"a": 10, "b": 10}


def test_by_lot_a_task_comes_as_often_as_its_epochs_are_long() -> None:
    sizes = {"small": 100, "large": 300}
    taken = Counter(name for name, _ in walked(Turns(sizes, 4000, 1, "size"), [0.5]))
    assert taken["large"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert walked(Turns(sizes, 99, 1, "size"), [0.5]) != walked(Turns(sizes, 99, 2, "size"), [0.5])
    turns = Turns(sizes, 9000, 1, "size", Rules(), 1000, sizes)
    turns.restore({**turns.state(), "standings": {"small": vars(Standing()), "large": vars(Standing(stopped=True))}})
    rest = Counter(turn.task for turn in turns.ahead)
    assert rest["large"] / rest["small"] == pytest.approx(3 / 4, rel=0.2)


def test_looks_come_after_the_epochs_of_each_task_or_at_even_steps() -> None:
    turns = Turns({"a": 2, "b": 3}, 8, 0, watched=["a", "b"])
    looks = []
    while turns.ahead:
        step = turns.step + len(turns.ahead)
        assert not turns.due(step - 1)
        looks.append((step, turns.due(step)))
        turns.heard({})
    assert looks == [(3, ["a"]), (6, ["b"]), (7, ["a"]), (8, ["a", "b"])]
    often = Turns({"a": 2, "b": 3}, 8, 0, every=5, watched=["b"])
    assert (len(often.ahead), often.due(5)) == (5, ["b"])
    often.heard({"b": 0.5})
    assert (len(often.ahead), often.due(8)) == (3, ["b"])
    assert len(Turns({"a": 2}, 8, 0, every=5).ahead) == 8


def test_without_patience_nothing_stops() -> None:
    turns = Turns({"a": 1, "b": 1}, 30, 0, rules=Rules(patience=0), every=1, watched=["a", "b"])
    assert Counter(name for name, _ in walked(turns, [0.5])) == {"a": 15, "b": 15}
    assert turns.standings["a"].best == 0.5


def test_a_state_of_other_turns_is_refused() -> None:
    state = Turns({"a": 2, "b": 3}, 8, 0).state()
    for other in (Turns({"b": 3, "a": 2}, 8, 0), Turns({"a": 2, "b": 4}, 8, 0), Turns({"a": 2, "b": 3}, 8, 0, every=2)):
        with pytest.raises(ConfigError, match="other turns"):
            other.restore(state)
    Turns({"a": 2, "b": 3}, 80, 0).restore(state)
