"""``iconotext finetune multi``: several tasks in one run, with one trunk and a head for each (12-in-1)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from tyro.conf import Positional

from iconotext.core.batch import Loss
from iconotext.core.config import to_data
from iconotext.core.seed import permutation
from iconotext.data.loader import Loader
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.models.checkpoint import Saved, save
from iconotext.models.multitask import MultiTaskModel, with_tokens
from iconotext.recipes.beginning import Beginning
from iconotext.recipes.entries import Entry, entries_of, tokens_of
from iconotext.recipes.finetune import (
    FinetuneOptions,
    TaskStream,
    accuracy,
    begin,
    config_of,
    options_of,
    require_seen,
    shape_of,
)
from iconotext.recipes.material import sampler_of, seating
from iconotext.tasks.base import Examples, Rows, Source, Task, TaskBatch
from iconotext.tasks.turns import Rules, Sampling, Turn, Turns
from iconotext.train.config import TrainConfig
from iconotext.train.dist import World, processes
from iconotext.train.loop import TrainResult, train
from iconotext.train.precision import choose


@dataclass(frozen=True)
class Several:
    """Fine-tune a pre-trained model for several tasks in one run: one trunk, and a head for each task, as 12-in-1.

    Each update is for one task. What the flags say of data, batch, split and language holds for every task of which the file
    does not say otherwise.
    """

    tasks: Positional[tuple[str, ...]]
    """Names of tasks, such as vqa expressions; or one .toml file with a table for each (docs/how/tasks.md)."""
    sampling: Sampling = "rounds"
    """rounds: every task once a round; size: by lot, each as often as its epochs are long."""
    stop_and_go: bool = True
    """Stop a task that no longer gets better on its validation split, and take it up again when it gets worse."""
    keep_tested: bool = False
    """Train also on pictures that are in a test split of another task's data set; 12-in-1 leaves them out."""


MultiOptions = options_of(Several)
"""What ``iconotext finetune multi`` takes."""


@dataclass(frozen=True)
class Part:
    """A task of the run with its examples: ``rows`` are those to train on, ``watched`` those to look at."""

    entry: Entry
    task: Task
    source: Source
    examples: Examples
    rows: Rows
    watched: Examples | None
    mismatch: dict[str, tuple[object, object]]

    def about(self) -> dict[str, Any]:
        """What run.json says of it."""
        told = {name: value for name, value in to_data(self.entry).items() if name not in ("type", "name")}
        told |= {"feature_mismatch": self.mismatch} if self.mismatch else {}
        left_out = len(self.examples) - len(self.rows)
        told |= {"fingerprint": self.source.data.fingerprint, "examples": len(self.rows), "in_other_tests": left_out}
        return {**told, **self.examples.about()}


@dataclass(frozen=True)
class Streams:
    """The micro-batches of all tasks."""

    of: Mapping[str, TaskStream]
    accumulate: int

    def micro(self, turns: Sequence[Turn], index: int) -> TaskBatch:
        """Micro-batch ``index`` of some turns."""
        turn, part = turns[index // self.accumulate], index % self.accumulate
        return replace(self.of[turn.task](turn.number * self.accumulate + part), name=turn.task)

    def run(self, turns: Turns, workers: int, start: int) -> Iterator[TaskBatch]:
        """The micro-batches from ``start`` on to the end; whose they are is asked anew after each look."""
        step = start // self.accumulate
        while step < turns.steps:
            ahead = turns.ahead[step - turns.step :]
            yield from Loader(partial(self.micro, ahead), 0, len(ahead) * self.accumulate, workers)
            step += len(ahead)


def run(options: FinetuneOptions[Several]) -> TrainResult:
    """Fine-tunes and writes the model to ``options.out``.

    Raises:
        ConfigError: a task or a setting is unknown; neither a run nor a system to begin with is named, or both.
        MissingPiece: there is no model to begin with.
        FingerprintError: regions were made in another way than those that it was trained with.
    """
    with processes() as here:
        given = (options.data, options.store, options.batch, options.split, options.language)
        entries = entries_of(options.task.tasks, *given)
        saved, words, parts = parts_of(options, entries)
        console = Console(stderr=True, quiet=not here.main, highlight=False, soft_wrap=True)
        for part in parts:
            console.print(f"{part.entry.name}: {part.examples.summary()}")
        heads: dict[str, str] = {}
        model, config = model_of(options, saved, parts, heads), config_of(options, saved.model.system)
        for name, said in heads.items():
            console.print(f"{name}: {said}")
        streams = Streams({p.entry.name: stream_of(options, p, model, words, config) for p in parts}, config.accumulate)
        turns = turns_of(options, streams, parts)
        look = partial(looked, options, turns, parts, streams, model, here)
        losses = partial(losses_of, {part.entry.name: part.task for part in parts})
        result = train(
            config,
            options.out,
            model,
            partial(streams.run, turns, options.workers),
            losses,
            {part.entry.name: part.entry.weight for part in parts},
            evaluate=look if turns.watched else None,
            due=lambda step: bool(turns.due(step)),
            memory=turns,
        )
        while turns.ahead:  # where nothing was looked at nobody has heard of the last turns
            turns.heard({})
        if here.main:
            told = {part.entry.name: {**part.about(), **went(turns, part.entry.name)} for part in parts}
            about = {"command": "finetune", "task": ", ".join(told), "tasks": told, "options": to_data(options)}
            about |= {"train": to_data(config), "blind": options.blind, **({"heads": heads} if heads else {})}
            features = replace(saved.features, fingerprint=parts[0].source.store.fingerprint)
            save(options.out, model, words.tokenizer.to_str(), features, about)
            console.print(report(told))
        return result


def parts_of(options: FinetuneOptions[Several], entries: Sequence[Entry]) -> tuple[Saved, Words, list[Part]]:
    """What the run begins with, its words, and its tasks; the model's page has a token for each task, if it has any."""
    data_of, store_of = cache(DataSet.open), cache(RegionStore.open)
    start = Beginning(options.start, options.system, options.size, options.tokenizer, options.vocabulary)
    first = entries[0]
    saved, words = start.open(data_of(first.data), store_of(first.store), first.split, first.language)
    saved = saved.only(options.start_task) if options.start_task else saved
    page, fingerprint, parts = saved.model.system, saved.features.fingerprint, []
    saved.model.system = page = with_tokens(page, tokens_of(page, entries))
    for entry in entries:
        others = {other.data: data_of(other.data) for other in entries if other.data != entry.data}
        tested = set() if options.task.keep_tested else set().union(*map(tests, others.values()))
        source = Source(data_of(entry.data), store_of(entry.store), words, entry.language)
        mismatch = fingerprint.require(source.store.fingerprint, str(entry.store), options.allow_feature_mismatch)
        task = entry.options.task(source, entry.split, page)
        examples = task.examples(source, entry.split, training=True)
        require_seen(options.blind, task, examples)
        clean = [tested.isdisjoint(images) for images in examples.pictures()] if tested else [True] * len(examples)
        look = bool(options.evaluate_on) and source.has(task.table, "validation")
        watched = task.examples(source, "validation", training=False) if look else None
        parts.append(Part(entry, task, source, examples, np.flatnonzero(clean), watched, mismatch))
    return saved, words, parts


def tests(data: DataSet) -> set[str]:
    """The pictures of a data set's test splits."""
    splits = [split for split in data.splits if split.startswith("test")] if "images" in data.tables else []
    return {image for split in splits for image in data.image_ids(split)}


def model_of(
    options: FinetuneOptions[Several], saved: Saved, parts: Sequence[Part], told: dict[str, str]
) -> MultiTaskModel:
    """The model with what was learned, as far as it fits: the trunk, and the heads for which there is one of its kind.

    ``told`` is told of heads that know something otherwise, as ``finetune.begin`` says it.
    """
    source = saved.model
    torch.manual_seed(options.seed)
    kinds = {part.entry.name: part.task.kind for part in parts}
    model = MultiTaskModel(source.system, kinds, **shape_of(source), recompute=options.recompute)
    learned = None if options.scratch or options.start is None else source
    if learned is not None:
        model.begin_with(learned.trunk.state_dict())
    for part in parts:
        if part.entry.name in model.heads:
            say = partial(told.__setitem__, part.entry.name)
            begin(model.heads[part.entry.name], part.task.kind, learned, part.examples.shares(), say)
    return model


def stream_of(
    options: FinetuneOptions[Several], part: Part, model: MultiTaskModel, words: Words, config: TrainConfig
) -> TaskStream:
    """The micro-batches of one task, with the token of that task."""
    seats = seating(model.system, words.vocab, part.entry.name, options.blind or "both")
    lengths = part.examples.lengths(seats.most_words, seats.most_regions)[part.rows]
    sampler = sampler_of(lengths, part.entry.batch, config)
    return TaskStream(part.examples, seats, sampler, options.seed, part.rows)


def turns_of(options: FinetuneOptions[Several], streams: Streams, parts: Sequence[Part]) -> Turns:
    """Whose turn it is."""
    epochs = {name: -(-one.sampler.batches_per_epoch // streams.accumulate) for name, one in streams.of.items()}
    watched = [part.entry.name for part in parts if part.watched is not None]
    rules = Rules() if options.task.stop_and_go else Rules(patience=0)
    return Turns(epochs, options.steps, options.seed, options.task.sampling, rules, options.evaluate_every, watched)


def losses_of(tasks: Mapping[str, Task], model: nn.Module, micro: TaskBatch) -> Mapping[str, Loss]:
    """The loss of the task whose turn it is."""
    return {micro.name: tasks[micro.name].loss(model(micro.name, micro.batch), micro)}


def looked(
    options: FinetuneOptions[Several],
    turns: Turns,
    parts: Sequence[Part],
    streams: Streams,
    model: MultiTaskModel,
    here: World,
    step: int,
) -> Mapping[str, float]:
    """Measures the tasks that are to be looked at, always on the same examples, and lets the turns hear of it.

    What the main process has measured holds for all of them, so that none takes another turn.
    """
    scores: dict[str, float] = {}
    precision = choose(options.precision, here.device)[0]
    for part in parts:
        name, examples = part.entry.name, part.watched
        if examples is not None and name in turns.due(step):
            rows = permutation(len(examples), options.seed, "look")[: options.evaluate_on]
            scores[name] = accuracy(model.only(name), examples, rows, streams.of[name].seats, precision)
    scores = json.loads(here.from_main(json.dumps(scores)))
    turns.heard(scores)
    stopped = {f"{name} stopped": float(turns.standings[name].stopped) for name in scores}
    return {**{f"{name} accuracy": score for name, score in scores.items()}, **stopped}


def went(turns: Turns, name: str) -> dict[str, Any]:
    """How a task fared."""
    standing, updates = turns.standings[name], turns.done[name]
    return {
        "updates": updates,
        "epochs": round(updates / turns.epochs[name], 2),
        "best": standing.best,
        "stopped": standing.stopped,
    }


def report(told: Mapping[str, Mapping[str, Any]]) -> Table:
    """How each task fared, as a table."""
    table = Table("task", "examples", "updates", "epochs", "best on validation", "", box=None, padding=(0, 2, 0, 0))
    for name, about in told.items():
        best = "" if about["best"] is None else f"{about['best']:.1%}"
        cells = (f"{about['examples']:,}", f"{about['updates']:,}", f"{about['epochs']:.2f}", best)
        table.add_row(name, *cells, "stopped" if about["stopped"] else "")
    return table
