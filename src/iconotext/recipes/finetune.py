"""``iconotext finetune TASK``: from a pre-trained model, or from nothing, to one that does a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, new_class
from typing import Annotated, Generic, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor, nn
from tyro.conf import arg

from iconotext.core.batch import Loss
from iconotext.core.config import to_data
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw, permutation
from iconotext.data.collate import Seating
from iconotext.data.records import DataSet
from iconotext.data.sampler import LengthSampler
from iconotext.data.store import RegionStore
from iconotext.heads.answer import AnswerHead
from iconotext.models.checkpoint import Model, Saved, save
from iconotext.models.multitask import MultiTaskModel
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.models.task import TaskKind, TaskModel, writer_of
from iconotext.recipes.beginning import Beginning
from iconotext.recipes.material import loading, sampler_of, seating
from iconotext.tasks.base import Examples, Rows, Source, Task, TaskBatch, TaskOptions
from iconotext.tasks.known import known
from iconotext.tasks.retrieval import matching
from iconotext.tasks.table import TASKS
from iconotext.train.config import NO_DECAY, Group, Precision, TrainConfig
from iconotext.train.dist import processes
from iconotext.train.loop import TrainResult, train
from iconotext.train.precision import choose

S = TypeVar("S", covariant=True)


@dataclass(frozen=True)
class FinetuneOptions(Generic[S]):
    """What fine-tuning is told: what the task has of its own, and what all have in common."""

    task: Annotated[S, arg(name="")]
    data: Path
    """The data set, made by `iconotext world` or `iconotext ingest`."""
    store: Path
    """Its regions, made by `iconotext extract`."""
    out: Path
    """Folder of the run: log, states, and at the end the model. Run the same command again to go on after a stop."""
    start: Annotated[Path | None, arg(name="from")] = None
    """The run to begin with, made by `iconotext pretrain`: its system, words and weights."""
    start_task: Annotated[str, arg(name="from-task")] = ""
    """Of a run of several tasks the one to begin with, by its name there; empty takes the one of this kind."""
    system: str = ""
    """Begin with a system and new weights in place of a run; `iconotext systems` lists them, your own is MODULE:NAME."""
    size: str = "tiny"
    """The size of that system."""
    tokenizer: Path | None = None
    """Its words, a tokenizer.json or BERT vocab.txt; None learns them from the texts of the data."""
    vocabulary: int = 8000
    """Most of the words that are learned."""
    scratch: bool = False
    """Begin with new weights: the same system and words, but nothing learned."""
    blind: Literal["text", "picture"] | None = None
    """Train on the text alone (regions removed) or on the picture alone (words removed): what can be done without the other."""
    steps: int = 5000
    """Updates of the parameters."""
    batch: int = 64
    """Examples of one update, over all processes and micro-batches."""
    accumulate: int = 1
    """Micro-batches of one update; more of them need less memory."""
    learning_rate: float | None = None
    """Peak of the learning rate, exactly; None takes that of the system's pre-training."""
    warmup: int | None = None
    """Updates until the peak; None takes a tenth of the steps."""
    schedule: Literal["linear", "cosine", "constant"] | None = None
    """What follows the warm-up; None takes that of the system's pre-training."""
    head_rate: float = 1.0
    """Factor of the learning rate for the task's new head (UNITER takes 10 for questions)."""
    split: str = "train"
    """The split to train on."""
    language: str = ""
    """Only texts in this language, such as en or zh; empty takes all."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto takes bf16 where the hardware gains from it."""
    recompute: bool = False
    """Activation checkpointing: less memory, about a third more time."""
    compile: bool = False
    """Compile the model with torch.compile: minutes at the start, faster steps after."""
    workers: int = 1
    """Processes that make batches while the model trains."""
    allow_feature_mismatch: bool = False
    """Take regions that were made otherwise than those of the model; what differs is noted in run.json."""
    seed: int = 0
    """The same seed gives the same run."""
    save_every: int = 1000
    """Updates between saved states."""
    log_every: int = 10
    """Updates between lines of the log."""
    evaluate_every: int = 0
    """Updates between two looks at the validation split; 0 looks at the end only, at each of several tasks after each epoch."""
    evaluate_on: int = 1000
    """Most examples of such a look; 0 looks never."""
    tensorboard: bool = False
    """Write a tensorboard log as well (extra `track`)."""


def options_of(task: type[S]) -> type[FinetuneOptions[S]]:
    """``FinetuneOptions`` of one task, explained in its words."""
    about = {"__doc__": task.__doc__, "__module__": __name__}
    made: type[FinetuneOptions[S]] = new_class(
        f"Finetune{task.__name__}",
        (FinetuneOptions[task],),  # type: ignore[valid-type]
        exec_body=lambda space: space.update(about),
    )
    return made


OPTIONS: Mapping[str, type[FinetuneOptions[TaskOptions]]] = MappingProxyType(
    {name: options_of(entry.options) for name, entry in TASKS.items()}
)
"""What ``iconotext finetune`` takes for each task."""


@dataclass(frozen=True)
class TaskStream:
    """The micro-batches of fine-tuning: number i is the same in every run with the same settings.

    The sampler numbers the examples, or where there are ``rows`` those.
    """

    examples: Examples
    seats: Seating
    sampler: LengthSampler
    seed: int
    rows: Rows | None = None

    def __call__(self, index: int) -> TaskBatch:
        """Micro-batch ``index`` of the run."""
        plan = self.sampler.batch(index)
        chosen = plan.indices if self.rows is None else self.rows[plan.indices]
        return self.examples.batch(chosen, Draw(self.seed, plan.epoch, plan.positions), self.seats)


def run(options: FinetuneOptions[TaskOptions]) -> TrainResult:
    """Fine-tunes and writes the model to ``options.out``.

    Raises:
        ConfigError: neither a run nor a system to begin with is named, or both.
        MissingPiece: there is no model to begin with.
        FingerprintError: the regions were made in another way than those that it was trained with.
    """
    with processes() as here:
        data, store = DataSet.open(options.data), RegionStore.open(options.store)
        start = Beginning(options.start, options.system, options.size, options.tokenizer, options.vocabulary)
        saved, words = start.open(data, store, options.split, options.language)
        saved = saved.only(options.start_task) if options.start_task else saved
        options = replace(options, scratch=options.scratch or start.run is None)
        mismatch = saved.features.fingerprint.require(
            store.fingerprint, str(options.store), options.allow_feature_mismatch
        )
        source, page = Source(data, store, words, options.language), saved.model.system
        task = options.task.task(source, options.split, page)
        examples = task.examples(source, options.split, training=True)
        require_seen(options.blind, task, examples)
        told = [examples.summary()]
        model = model_of(options, saved, task, examples.shares(), told.append)
        Console(stderr=True, quiet=not here.main).print("\n".join(told), highlight=False, soft_wrap=True)
        seats = seating(model.system, words.vocab, task.name, options.blind or "both")
        config = config_of(options, page)
        sampler = sampler_of(examples.lengths(seats.most_words, seats.most_regions), options.batch, config)
        batches = loading(TaskStream(examples, seats, sampler, options.seed), config, options.workers)
        losses = partial(losses_of, task)
        look = None
        if options.evaluate_on and source.has(task.table, "validation"):
            look = look_of(options, task.examples(source, "validation", training=False), model, seats, here.device)
        result = train(config, options.out, model, batches, losses, {task.name: 1.0}, evaluate=look)
        if here.main:
            about = {"command": "finetune", "task": task.name, "options": to_data(options), "train": to_data(config)}
            about |= {"feature_mismatch": mismatch} if mismatch else {}
            about |= {"head": told[1:]} if told[1:] else {}
            about |= {"data": data.fingerprint, "examples": len(examples), "blind": options.blind, **examples.about()}
            features = replace(saved.features, fingerprint=store.fingerprint)
            save(options.out, model, words.tokenizer.to_str(), features, about)
        return result


def model_of(
    options: FinetuneOptions[object],
    saved: Saved,
    task: Task,
    shares: Float[Tensor, "A"] | None = None,
    say: Callable[[str], None] = lambda told: None,
) -> TaskModel:
    """The task's model with what was learned, as far as it fits; the matching head becomes a head that scores pairs.

    A new head that answers begins at the answers' ``shares`` of the training questions, but for answers that a head knows
    already; ``say`` is told of those.
    """
    source = saved.model
    if isinstance(source, MultiTaskModel) and (name := source.owner(task.kind)) is not None:
        source = source.only(name)
    torch.manual_seed(options.seed)
    model = TaskModel(source.system, task.kind, **shape_of(source), recompute=options.recompute)
    if not options.scratch:
        model.begin_with(source.trunk.state_dict())
    begin(model.head, task.kind, None if options.scratch else source, shares, say)
    return model


def require_seen(blind: Literal["text", "picture"] | None, task: Task, examples: Examples) -> None:
    """Refuses what a model of the task cannot do without.

    Raises:
        ConfigError: with what it can be trained without.
    """
    if blind and blind not in examples.sees:
        raise ConfigError(
            f"--blind {blind}: in {task.name} the words are what the model gives, so they cannot be taken away; --blind text "
            "takes the picture away."
        )


def shape_of(source: Model) -> dict[str, int]:
    """The sizes that a model of tasks is made with; the heads of tasks stay behind."""
    return {name: size for name, size in source.shape.items() if name != "tasks"}


def begin(
    head: nn.Module,
    kind: TaskKind,
    source: Model | None,
    shares: Float[Tensor, "A"] | None,
    say: Callable[[str], None] = lambda told: None,
) -> None:
    """Begins a task's head as ``model_of`` says, with what ``source`` has learned."""
    if isinstance(head, AnswerHead) and shares is not None:
        head.begin_at(shares)
    learned: nn.Module | None = None
    if isinstance(source, MultiTaskModel):
        owner = source.owner(kind)
        learned = None if owner is None else source.heads[owner]
    elif isinstance(source, TaskModel) and source.task == kind:
        learned = source.head
    elif source is not None:
        found = known(source, kind)
        if found is not None and (told := found.teach(head, kind)):
            say(told)
        elif isinstance(source, PretrainModel) and kind.head == "words":
            learned = source.heads[writer_of(source.system).name]
        elif isinstance(source, PretrainModel) and isinstance(head, nn.Linear):
            learned = matching(source)
    if learned is not None:
        head.load_state_dict(learned.state_dict())


def config_of(options: FinetuneOptions[object], page: System) -> TrainConfig:
    """What the user said, and for the rest the recipe of the system's page."""
    recipe = page.recipe
    head = r":heads?\."
    return TrainConfig(
        steps=options.steps,
        learning_rate=recipe.learning_rate if options.learning_rate is None else options.learning_rate,
        warmup=min(options.steps // 10 if options.warmup is None else options.warmup, options.steps),
        schedule=options.schedule or recipe.schedule,
        weight_decay=recipe.weight_decay,
        groups=(
            Group(rf"norm{head}|{head}.*(norm|bias$)", options.head_rate, 0.0),
            Group(head, options.head_rate),
            *NO_DECAY,
        ),
        betas=recipe.betas,
        clip=recipe.clip,
        accumulate=options.accumulate,
        precision=options.precision,
        compile=options.compile,
        seed=options.seed,
        log_every=options.log_every,
        save_every=options.save_every,
        evaluate_every=options.evaluate_every,
        tensorboard=options.tensorboard,
    )


def losses_of(task: Task, model: nn.Module, micro: TaskBatch) -> Mapping[str, Loss]:
    """The task's loss of a micro-batch."""
    return {task.name: task.loss(model(micro.batch), micro)}


def look_of(
    options: FinetuneOptions[TaskOptions], examples: Examples, model: TaskModel, seats: Seating, device: torch.device
) -> Callable[[int], Mapping[str, float]]:
    """What the train loop calls to measure the model on some examples, always the same ones."""
    rows = permutation(len(examples), options.seed, "look")[: options.evaluate_on]
    precision = choose(options.precision, device)[0]
    return lambda step: {"accuracy": accuracy(model, examples, rows, seats, precision)}


def accuracy(model: TaskModel, examples: Examples, rows: Rows, seats: Seating, precision: Precision) -> float:
    """How right a model is of some examples, from 0 to 1."""
    found = examples.ask(model, rows, seats, precision)
    return float(np.nanmean(np.concatenate([said["accuracy"] for _, said in found])))
