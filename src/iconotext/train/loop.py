"""The loop: steps, log, evaluation, saving; it goes on from the newest state of its run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, runtime_checkable

import torch
from torch import nn

from iconotext.core.batch import Loss
from iconotext.core.errors import ConfigError, IconotextError
from iconotext.core.seed import derive
from iconotext.train import optim, precision, state
from iconotext.train.config import TrainConfig
from iconotext.train.dist import World, world
from iconotext.train.interrupt import Wish, listening
from iconotext.train.log import JsonLines, Meter, Record, TensorBoard
from iconotext.train.progress import Display
from iconotext.train.step import M, Outcome, Step

Stream = Callable[[int], Iterator[M]]
Losses = Callable[[nn.Module, M], Mapping[str, Loss]]
Evaluate = Callable[[int], Mapping[str, float]]


@runtime_checkable
class Memory(Protocol):
    """What decides how a run goes on beside its tensors: plain JSON values, which every saved state holds."""

    def state(self) -> dict[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


class NonFinite(IconotextError):
    """Too many steps had a loss or a gradient that is not finite."""


@dataclass(frozen=True)
class TrainResult:
    """How a run ended: ``state`` is its last saved state, ``evaluated`` the last evaluation's numbers of this
    process's life.
    """

    steps: int
    skipped: int
    seconds: float
    precision: str
    state: Path
    evaluated: Mapping[str, float] = field(default_factory=dict)


def train(
    config: TrainConfig,
    run: Path,
    model: nn.Module,
    stream: Stream[M],
    losses: Losses[M],
    weights: Mapping[str, float],
    *,
    evaluate: Evaluate | None = None,
    due: Callable[[int], bool] | None = None,
    memory: Memory | None = None,
) -> TrainResult:
    """Train ``model`` for ``config.steps`` updates, from the newest state in ``run`` where there is one.

    ``stream(start)`` yields this process's micro-batches from index ``start`` on; update ``s`` takes those numbered
    ``s * accumulate`` to ``(s + 1) * accumulate - 1``, so the stream decides by that number alone what is in them.
    ``losses(model, micro)`` gives the sums, ``weights`` the weight of each objective (all of them named).
    ``evaluate(step)`` runs every ``config.evaluate_every`` updates and after the last one, on every process, with the
    model in evaluation mode; its numbers go to the log. ``due(step)`` says when it runs instead. ``memory`` is given back
    what it said when the state was saved, before the stream begins. With ``config.compile`` the model's ``forward`` is compiled
    in place.

    Before each update the generators are seeded from (seed, step, rank), so dropout draws the same after a restart.
    Ctrl-C and SIGTERM finish the update in hand, save, and exit with code 130.

    Raises:
        NonFinite: too many updates had to be left out.
        ConfigError: the stream ended early, or the state in ``run`` belongs to another model.
        SystemExit: 130, when asked to stop.
    """
    here = world()
    with ExitStack() as stack:
        job = _prepare(config, run, model, losses, weights, here, stack, memory)
        wish = stack.enter_context(listening())
        model.train()
        evaluated: Mapping[str, float] = {}
        now = due or (lambda done: _due(done, config.evaluate_every))
        batches = stream(job.progress.step * config.accumulate)
        while job.progress.step < config.steps:
            outcome = job.update(batches, wish)
            done = job.progress.step
            if evaluate is not None and (now(done) or done == config.steps):
                evaluated = job.evaluate(evaluate)
            if _due(done, config.save_every) or done == config.steps or outcome.stop:
                job.save()
            if outcome.stop or (done == config.steps and wish.stop):
                job.leave()
        return job.result(evaluated)


@dataclass
class _Job(Generic[M]):
    """A run that is going on."""

    config: TrainConfig
    run: Path
    step: Step[M]
    progress: state.Progress
    records: list[Record]
    meter: Meter
    display: Display
    memory: Memory | None

    def update(self, batches: Iterator[M], wish: Wish) -> Outcome:
        """One update: fetch, compute, log."""
        config, number = self.config, self.progress.step
        begin = time.perf_counter()
        micros = self._fetch(batches)
        waited = time.perf_counter() - begin
        torch.manual_seed(derive(config.seed, "dropout", number, self.step.world.rank))
        rate = optim.set_rate(self.step.optimiser, config, number)
        outcome = self.step(micros, number * config.accumulate, wish.stop)
        self.progress.step = number + 1
        self.meter.add(outcome, time.perf_counter() - begin, waited)
        if _due(number + 1, config.log_every) or number + 1 == config.steps:
            line = self.meter.take(rate, outcome.norm, self.step.world.device)
            self.write("step", line)
            self.display.figures(number + 1, line)
        self.display.step(number + 1)
        self._guard(outcome)
        return outcome

    def _fetch(self, batches: Iterator[M]) -> list[M]:
        micros = [micro for _, micro in zip(range(self.config.accumulate), batches)]
        if len(micros) < self.config.accumulate:
            raise ConfigError(
                f"training: the batches ended in step {self.progress.step + 1} of {self.config.steps}; "
                "give a stream that goes on over the epochs, or ask for fewer steps"
            )
        return micros

    def _guard(self, outcome: Outcome) -> None:
        """Count and report an update that was left out; too many stop the run."""
        if outcome.finite:
            self.progress.skipped_in_row = 0
            return
        self.progress.skipped += 1
        self.progress.skipped_in_row += 1
        step, skipped, row = self.progress.step, self.progress.skipped, self.progress.skipped_in_row
        losses = {name: total / count for name, (total, count) in outcome.losses.items()}
        self.write("skipped", {"losses": losses, "gradient_norm": outcome.norm, "where": list(outcome.blame)})
        self.display.say(f"step {step} left out, not finite ({skipped} so far): {'; '.join(outcome.blame)}")
        if row >= self.config.skip_in_row or skipped >= self.config.skip_total:
            raise NonFinite(
                f"{self.run}: stopped at step {step}: the loss or its gradient was not finite in {row} steps in a row, "
                f"{skipped} in all. The lines of kind 'skipped' in {self.run / 'log.jsonl'} name the rows. Look at those, "
                "or try a lower learning rate, a longer warm-up, or fp32."
            )

    def evaluate(self, function: Evaluate) -> Mapping[str, float]:
        """Measure the model as it is."""
        model = self.step.model
        model.eval()
        try:
            found = function(self.progress.step)
        finally:
            model.train()
        self.write("evaluate", found)
        self.display.say("  ".join([f"step {self.progress.step}", *(f"{k} {v:.4g}" for k, v in found.items())]))
        return found

    def save(self) -> None:
        """Log first, then state: a state never claims a step that the log lacks."""
        for record in self.records:
            record.sync()
        settings, step = self.config.shaping(), self.step
        self.progress.memory = self.memory.state() if self.memory is not None else {}
        state.save(self.run, self.progress, step.model, step.optimiser, settings, self.config.keep, step.world)

    def result(self, evaluated: Mapping[str, float]) -> TrainResult:
        """How the run stands."""
        at = self.progress
        return TrainResult(at.step, at.skipped, at.seconds, at.precision, state.folder(self.run, at.step), evaluated)

    def leave(self) -> None:
        """Exit after a wish to stop."""
        step = self.progress.step
        self.display.say(
            f"stopped after step {step} of {self.config.steps}, saved in {state.folder(self.run, step)}\n"
            "run the same command again to go on from here"
        )
        raise SystemExit(130)

    def write(self, kind: str, values: Mapping[str, object]) -> None:
        """One line for every record."""
        for record in self.records:
            record.write(kind, self.progress.step, values)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _prepare(
    config: TrainConfig,
    run: Path,
    model: nn.Module,
    losses: Losses[M],
    weights: Mapping[str, float],
    here: World,
    stack: ExitStack,
    memory: Memory | None,
) -> _Job[M]:
    """Everything before the first update: device, optimiser, state, log, and a note of what was chosen."""
    model.to(here.device)
    here.align(model)
    optimiser = optim.adamw(model, config)
    notes = [f"optimiser: {optim.describe(optimiser)}"]
    progress = state.Progress()
    found = here.from_main(" ".join(map(str, state.steps(run))))
    if found:
        path = state.folder(run, int(found.split()[-1]))
        progress, settings = state.load(path, model, optimiser)
        notes += [f"going on from {path}", *_changes(settings, config)]
        if memory is not None:
            memory.restore(progress.memory)
    if progress.precision == "auto" or config.precision != "auto":
        chosen, why = precision.choose(config.precision, here.device)
        progress.precision = "bf16" if here.from_main(chosen) == "bf16" else "fp32"
        notes.append(f"precision: {progress.precision} ({why})")
    if config.compile:
        model.compile(dynamic=True)
    display = stack.enter_context(Display(progress.step, config.steps, quiet=not here.main))
    records: list[Record] = []
    if here.main:
        records.append(JsonLines(run / "log.jsonl", progress.step))
        if config.tensorboard:
            records.append(TensorBoard(run / "tensorboard", progress.step))
    for record in records:
        stack.callback(record.close)
    parameters = [item.parameter for item in optim.trainable(model)]
    step = Step(model, optimiser, parameters, losses, weights, config.clip, progress.precision, here)
    job = _Job(config, run, step, progress, records, Meter(progress), display, memory)
    for text in notes:
        job.write("note", {"text": text})
        display.say(text)
    return job


def _changes(before: Mapping[str, object], config: TrainConfig) -> list[str]:
    """What is set differently since the state was written; it is allowed, and said."""
    now = config.shaping()
    return [
        f"changed since: {name} was {before.get(name)}, is {now[name]}" for name in now if before.get(name) != now[name]
    ]
