"""``iconotext world``: draw the built-in data set, scenes with captions, questions and every other annotation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from tyro.conf import Positional

import iconotext
from iconotext.core.errors import ConfigError
from iconotext.core.machine import available_cores
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.world.language.words import LANGUAGES
from iconotext.world.write import WORLD_SIZES, Plan, write_world

LICENCE = "CC BY-SA 4.0 (drawings: OpenMoji, https://openmoji.org, recoloured and composed)"


@dataclass(frozen=True)
class WorldOptions:
    """Draw the built-in data set: pictures whose truth is known, with texts and questions about them."""

    out: Positional[Path]
    """Folder of the data set. A run that was interrupted goes on where it stopped."""
    size: Literal["tiny", "small", "base"] = "small"
    """tiny: 24 kinds of things, 300 pictures; small: 100 kinds, 4,000 pictures; base: 258 kinds, 24,000 pictures."""
    seed: int = 0
    """Another seed gives another world; the same seed gives the same bytes."""
    languages: str = "en,zh"
    """Languages of the texts, separated by commas: en, zh."""
    noise: float = 0.0
    """Share of captions that are wrong, as in data from the web (0-1)."""
    workers: int = 0
    """Processes; 0 takes one a core, and a single one for tiny."""


def run(options: WorldOptions) -> DataSet:
    """Write the world, with progress bars, and return the data set.

    Raises:
        ConfigError: an option is out of range.
        DataError: the folder holds something else.
        MissingPiece: the packages of the extra ``world`` are not installed.
    """
    plan = plan_of(options)
    made_by = {
        "command": "world",
        "options": {"size": options.size, "seed": plan.seed, "languages": list(plan.languages), "noise": plan.noise},
        "version": iconotext.__version__,
        "licence": LICENCE,
    }
    writer = DataSetWriter(options.out, f"Iconotext world ({options.size})", made_by, plan.languages)
    if not writer.finished:
        _write_with_bars(writer, plan, _workers(options))
    return writer.finish()


def plan_of(options: WorldOptions) -> Plan:
    """The options that decide the content, checked.

    Raises:
        ConfigError: an option is out of range.
    """
    languages = tuple(part.strip() for part in options.languages.split(",") if part.strip())
    unknown = [language for language in languages if language not in LANGUAGES]
    if unknown or not languages or len(set(languages)) != len(languages):
        raise ConfigError(f"--languages {options.languages!r}: name some of {', '.join(LANGUAGES)}, each once")
    if not 0 <= options.noise <= 1:
        raise ConfigError(f"--noise {options.noise}: it is a share, from 0 to 1")
    if options.workers < 0:
        raise ConfigError(f"--workers {options.workers}: name 1 or more, or 0 for one a core")
    return Plan(WORLD_SIZES[options.size], options.seed, languages, options.noise)


def _workers(options: WorldOptions) -> int:
    """The number of processes; those of a tiny world would take longer to start than it takes to draw."""
    if options.workers:
        return options.workers
    return 1 if options.size == "tiny" else available_cores()


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "")


def _write_with_bars(writer: DataSetWriter, plan: Plan, workers: int) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    totals = {"drawings": len(plan.kinds), "pictures": sum(plan.size.pictures.values())}
    with Progress(*columns) as progress:
        bars = {name: progress.add_task(name, total=total, start=False) for name, total in totals.items()}
        for name, count in write_world(writer, plan, workers):
            progress.start_task(bars[name])
            progress.advance(bars[name], count)
