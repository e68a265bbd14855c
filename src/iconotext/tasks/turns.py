"""Whose turn it is when several tasks are trained in one run, and which of them rest: 12-in-1's dynamic stop-and-go.

A turn is one update of the parameters, for one task. Whose it is depends on a counter, the seed and what was heard of the
tasks at the looks before, and on nothing else: every process finds the same, and so does a run that goes on after a stop.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any, Literal

from iconotext.core.errors import ConfigError
from iconotext.core.seed import derive

Sampling = Literal["rounds", "size"]
"""Every task once a round, or by lot: a task as often as its examples are many."""


@dataclass(frozen=True)
class Rules:
    """When a task stops and goes (Lu et al., CVPR 2020; ``MultiTaskStopOnPlateau`` of its code).

    A look is bad whose score is not above the best by more than ``gain`` (a share of it). After ``patience`` bad looks in a
    row (0: never) the task is stopped: it gets only one in ``gap`` of its turns, lest it be forgotten. Once a score is below
    the best by more than ``drop`` it goes again. After either, ``cooldown`` looks do not count as bad.
    """

    patience: int = 2
    gain: float = 0.001
    drop: float = 0.005
    gap: int = 4
    cooldown: int = 1


@dataclass(frozen=True)
class Standing:
    """What is known of a task: its best score, bad looks in a row, looks that do not count yet, whether it is stopped."""

    best: float | None = None
    bad: int = 0
    cooling: int = 0
    stopped: bool = False

    def after(self, score: float, rules: Rules) -> Standing:
        """The same after one more look. A score that is not a number says nothing."""
        if math.isnan(score):
            return self
        better = self.best is None or score > self.best * (1 + rules.gain)
        best = score if self.best is None or better else self.best
        bad = 0 if better or self.cooling else self.bad + 1
        stops = 0 < rules.patience <= bad
        goes = (self.stopped or stops) and score < best * (1 - rules.drop)
        cooling = rules.cooldown if stops or goes else max(0, self.cooling - 1)
        return Standing(best, 0 if stops or goes else bad, cooling, (self.stopped or stops) and not goes)


@dataclass(frozen=True)
class Turn:
    """One update for ``task``, before which it has had ``number``."""

    task: str
    number: int


class Turns:
    """Whose turn it is at each update of a run of ``steps``, from one look at the tasks to the next.

    ``epochs`` are the updates of an epoch of each task, in the order of the rounds. Each task of ``watched`` is looked at
    after each of its epochs, or, with ``every``, all of them each time so many updates are done; and all at the end.
    ``ahead`` are the turns to the next look, ``step`` the updates done before them.
    """

    def __init__(
        self,
        epochs: Mapping[str, int],
        steps: int,
        seed: int,
        sampling: Sampling = "rounds",
        rules: Rules = Rules(),
        every: int = 0,
        watched: Collection[str] = (),
    ) -> None:
        self.names, self.epochs = list(epochs), dict(epochs)
        self.steps, self.seed, self.sampling, self.rules, self.every = steps, seed, sampling, rules, every
        self.watched = [name for name in self.names if name in watched]
        self.step = self.tick = 0
        self.done = dict.fromkeys(self.names, 0)
        self.standings = dict.fromkeys(self.names, Standing())
        self.ahead, self._tick = self._walk()

    def due(self, step: int) -> list[str]:
        """The tasks to look at when ``step`` updates are done, none before the turns ``ahead`` are."""
        if not self.ahead or step != self.step + len(self.ahead):
            return []
        return self.watched if self.every or step == self.steps else [self.ahead[-1].task]

    def heard(self, scores: Mapping[str, float]) -> None:
        """The turns ahead are done, and a look gave ``scores``: go on from there."""
        self.step, self.tick = self.step + len(self.ahead), self._tick
        for turn in self.ahead:
            self.done[turn.task] += 1
        for name, score in scores.items():
            self.standings[name] = self.standings[name].after(score, self.rules)
        self.ahead, self._tick = self._walk()

    def state(self) -> dict[str, Any]:
        """Where the turns stood at the last look, as JSON values."""
        standings = {name: asdict(standing) for name, standing in self.standings.items()}
        return {**self._told(), "step": self.step, "tick": self.tick, "done": dict(self.done), "standings": standings}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there.

        Raises:
            ConfigError: it is of other tasks, data or rules, by which other turns would have been taken.
        """
        now = self._told()
        other = "; ".join(
            f"{name} was {state.get(name)}, is {now[name]}" for name in now if state.get(name) != now[name]
        )
        if other:
            raise ConfigError(f"The run was begun with other turns ({other}): name another folder to begin anew.")
        self.step, self.tick, self.done = state["step"], state["tick"], dict(state["done"])
        self.standings = {name: Standing(**standing) for name, standing in state["standings"].items()}
        self.ahead, self._tick = self._walk()

    def _told(self) -> dict[str, Any]:
        """What decides the turns beside the scores, as JSON values."""
        epochs = [[name, updates] for name, updates in self.epochs.items()]
        looks = {"every": self.every, "watched": self.watched}
        return {"epochs": epochs, "sampling": self.sampling, "rules": asdict(self.rules), **looks}

    def _walk(self) -> tuple[list[Turn], int]:
        """The turns to the next look, or to the end of the run, and the counter after them."""
        found: list[Turn] = []
        done, tick = dict(self.done), self.tick
        while self.step + len(found) < self.steps:
            name, spare = self._at(tick)
            tick += 1
            if self.standings[name].stopped and not spare:
                continue
            found.append(Turn(name, done[name]))
            done[name] += 1
            whole = done[name] % self.epochs[name] == 0 and name in self.watched
            if (self.watched and (self.step + len(found)) % self.every == 0) if self.every else whole:
                break
        return found, tick

    def _at(self, tick: int) -> tuple[str, bool]:
        """The task at a value of the counter, and whether it has this turn even if it is stopped."""
        if self.sampling == "rounds":
            turn, place = divmod(tick, len(self.names))
            return self.names[place], turn % self.rules.gap == 0
        ends = list(accumulate(self.epochs.values()))
        name = self.names[bisect(ends, derive(self.seed, "turn", tick) % ends[-1])]
        return name, derive(self.seed, "spare turn", tick) % self.rules.gap == 0
