"""``iconotext demo``: the whole way on the built-in world, ending with a report to look at."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from iconotext.core.files import write_json
from iconotext.core.machine import available_cores
from iconotext.recipes import evaluate, extract, finetune, measure, pretrain, report, world
from iconotext.recipes.flags import ExtractOptions
from iconotext.tasks.table import TASKS

STEPS = {"pretrain": 3800, "vqa": 500, "vqa-blind": 200, "retrieval": 60}
"""Updates of the parameters in each part; the rest is the system's tiny page."""

PICTURES = {"tiny": 40, "small": 60}
"""Pictures among which the fine-tuned retrieval is evaluated: every caption of each is scored with all of them."""


@dataclass(frozen=True)
class DemoOptions:
    """Draw a world, find its regions, pre-train, fine-tune, measure, and write a report; about ten minutes on two cores.

    Stop it whenever you like: the same command goes on where it stopped.
    """

    out: Path = Path("demo")
    """Folder for everything."""
    system: Literal["uniter", "vilbert"] = "uniter"
    """The system to train, in its tiny size."""
    size: Literal["tiny", "small"] = "small"
    """The world: small is what the report's bars are about; tiny only shows that all parts run."""
    seed: int = 0
    """Another seed gives another world and another run."""


@dataclass(frozen=True)
class Part:
    """One part of the demo: it is done when ``made`` exists."""

    title: str
    made: Path
    work: Callable[[], object]


def parts(options: DemoOptions) -> list[Part]:
    """Everything that the demo does, in order."""
    out, seed = options.out, options.seed
    data, store, pretrained = out / "world", out / "regions", out / "pretrain"
    share = 1.0 if options.size == "small" else 0.02
    steps = {name: max(20, round(count * share)) for name, count in STEPS.items()}
    steps |= {f"{name}-scratch": steps[name] for name in ("vqa", "retrieval")}

    def tune(task: Literal["vqa", "retrieval"], name: str, scratch: bool = False, blind: bool = False) -> list[Part]:
        folder = out / name
        pictures = PICTURES[options.size] if task == "retrieval" else 0
        train = finetune.FinetuneOptions(
            TASKS[task].options(),
            data,
            store,
            folder,
            pretrained,
            scratch=scratch,
            blind="text" if blind else None,
            steps=steps[name],
            seed=seed,
        )
        about = {"vqa": "questions", "retrieval": "search"}[task]
        how = " without pre-training" if scratch else ""
        how += ", without pictures" if blind else ""
        return [
            Part(f"fine-tune for {about}{how}", folder / "model.safetensors", lambda: finetune.run(train)),
            Part(
                f"evaluate {about}{how}",
                folder / "evaluation.json",
                lambda: evaluate.run(evaluate.EvaluateOptions(folder, data, store, pictures=pictures)),
            ),
        ]

    return [
        Part(
            "draw the world",
            data / "dataset.json",
            lambda: world.run(world.WorldOptions(data, options.size, seed, languages="en")),
        ),
        Part(
            "find the regions of its pictures",
            out / "regions.done",
            lambda: _mark(out / "regions.done", lambda: extract.run(ExtractOptions(data, store, min=2))),
        ),
        Part(
            f"pre-train {options.system}",
            pretrained / "model.safetensors",
            lambda: pretrain.run(
                pretrain.PretrainOptions(
                    data, store, pretrained, options.system, "tiny", steps["pretrain"], seed=seed, save_every=250
                )
            ),
        ),
        Part(
            "measure what it has learned",
            pretrained / "measures.json",
            lambda: measure.run(measure.MeasureOptions(pretrained, data, store)),
        ),
        *tune("vqa", "vqa"),
        *tune("vqa", "vqa-scratch", scratch=True),
        *tune("vqa", "vqa-blind", scratch=True, blind=True),
        *tune("retrieval", "retrieval"),
        *tune("retrieval", "retrieval-scratch", scratch=True),
    ]


def run(options: DemoOptions) -> Path:
    """Does what is not done yet, and writes the report; returns its path."""
    console = Console(stderr=True)
    options.out.mkdir(parents=True, exist_ok=True)
    # A small model gains nothing from a core that the process that makes its batches wants too.
    torch.set_num_threads(max(1, available_cores() - 1))
    begin = time.monotonic()
    todo = parts(options)
    for number, part in enumerate(todo, 1):
        done = part.made.exists()
        console.rule(f"[bold]{number} of {len(todo)}[/bold]  {part.title}" + ("  (done)" if done else ""), align="left")
        if not done:
            part.work()
    path = report.run(report.ReportOptions(options.out))
    minutes, seconds = divmod(round(time.monotonic() - begin), 60)
    console.rule(f"[bold]done[/bold] in {minutes} min {seconds} s", align="left")
    console.print(f"Open the report in a browser: {path.resolve()}", soft_wrap=True)
    return path


def _mark(path: Path, work: Callable[[], object]) -> None:
    """Does the work and leaves a mark, for work whose own files cannot tell that it is whole."""
    work()
    write_json(path, {"done": True})
