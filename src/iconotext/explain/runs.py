"""What lies in a run folder, or in a folder of runs; whatever is missing is empty."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open

from iconotext.core.errors import DataError
from iconotext.train import log

FILES = ("log.jsonl", "run.json", "evaluation.json", "measures.json")
"""A folder that holds one of these is a run."""

VARIANTS = {"scratch": "without pre-training", "blind": "without the picture", "wordless": "without the words"}
"""The ends of a folder's name, and what was left out of such a run."""


@dataclass(frozen=True)
class Run:
    """One run: what was asked for, what was logged, what was measured."""

    name: str
    path: Path
    lines: tuple[Mapping[str, Any], ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, Any] = field(default_factory=dict)
    parameters: int = 0

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the command that made it."""
        return _mapping(self.about.get("options"))

    @property
    def system(self) -> Mapping[str, Any]:
        """The system's page."""
        return _mapping(self.config.get("system"))

    @property
    def title(self) -> str:
        """The system's name as it is written in the paper, else whatever names it."""
        return str(self.system.get("title") or self.options.get("system") or self.name)

    @property
    def task(self) -> str:
        """The task it was fine-tuned for; empty for a pre-training run."""
        if self.pretraining:
            return ""
        told = (self.about, self.evaluation, {"task": _mapping(self.config.get("task")).get("name")})
        return next((str(place["task"]) for place in told if place.get("task")), "")

    @cached_property
    def pretraining(self) -> bool:
        """Whether it is a pre-training run, as far as one can tell."""
        no_task = bool(self.config) and self.config.get("task", "") is None
        return no_task or self.about.get("command") == "pretrain" or bool({"mlm", "itm"} & set(self.objectives))

    @property
    def variant(self) -> str:
        """What was left out: scratch, blind or wordless, as the folder's name ends or the options say; else empty."""
        end = self.name.rpartition("-")[2]
        if end in VARIANTS:
            return end
        blind = {"text": "blind", "picture": "wordless"}.get(str(self.options.get("blind")))
        return blind or ("scratch" if self.options.get("scratch") else "")

    @property
    def stem(self) -> str:
        """The folder's name without the variant: runs of one stem are compared with each other."""
        return self.name.removesuffix(f"-{self.variant}") if self.variant else self.name

    @cached_property
    def steps(self) -> tuple[Mapping[str, Any], ...]:
        """The logged steps."""
        return self.of("step")

    @property
    def last_step(self) -> int:
        """How far it came."""
        return int(self.steps[-1]["step"]) if self.steps else 0

    @property
    def seconds(self) -> float:
        """The time that its steps took."""
        return float(self.steps[-1].get("seconds", 0)) if self.steps else 0.0

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        """The losses it logged, in the order of their first appearance."""
        return tuple(dict.fromkeys(name for line in self.steps for name in _mapping(line.get("losses"))))

    def of(self, kind: str) -> tuple[Mapping[str, Any], ...]:
        """The lines of one kind."""
        return tuple(line for line in self.lines if line.get("kind") == kind)

    def curve(self, *names: str) -> tuple[list[float], list[float]]:
        """Steps and values of what a step logs under ``names`` (nested); values that are not finite are left out."""
        return self._curve("step", names)

    def evaluated(self, name: str) -> tuple[list[float], list[float]]:
        """Steps and values of a figure that was measured during training."""
        return self._curve("evaluate", (name,))

    def _curve(self, kind: str, names: tuple[str, ...]) -> tuple[list[float], list[float]]:
        steps: list[float] = []
        values: list[float] = []
        for line in self.of(kind):
            value: Any = line
            for name in names:
                value = _mapping(value).get(name)
            if isinstance(value, int | float) and math.isfinite(value):
                steps.append(float(line["step"]))
                values.append(float(value))
        return steps, values


def find(folder: Path) -> list[Run]:
    """The run in ``folder`` and those in its sub-folders, in the order of their names; pre-training comes first.

    Raises:
        DataError: there is none, or a file is no JSON.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist: name the folder of a run, or a folder of runs")
    places = [folder, *sorted(child for child in folder.iterdir() if child.is_dir())]
    runs = [read(place) for place in places if any((place / file).is_file() for file in FILES)]
    if not runs:
        raise DataError(
            f"{folder} holds no run (none of {', '.join(FILES)}, neither there nor one folder below). "
            "`iconotext pretrain` makes one, `iconotext demo` makes all that a report shows."
        )
    return sorted(runs, key=lambda run: not run.pretraining)


def read(place: Path) -> Run:
    """One run folder.

    Raises:
        DataError: a file is no JSON.
    """
    lines = log.read(place / "log.jsonl") if (place / "log.jsonl").is_file() else []
    return Run(
        name=place.resolve().name,
        path=place,
        lines=tuple(line for line in lines if isinstance(line, dict) and isinstance(line.get("step"), int)),
        about=_json(place / "run.json"),
        config=_json(place / "config.json"),
        features=_json(place / "features.json"),
        evaluation=_json(place / "evaluation.json"),
        measures=_json(place / "measures.json"),
        parameters=_parameters(place / "model.safetensors"),
    )


def _json(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    try:
        return _mapping(json.loads(file.read_text("utf-8")))
    except ValueError as error:
        raise DataError(f"{file} is not JSON ({error}): run the command that made it again") from error


def _parameters(file: Path) -> int:
    """The numbers of a model, from the header of its file."""
    if not file.is_file():
        return 0
    try:
        with safe_open(file, "numpy") as tensors:
            return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    except Exception as error:  # safetensors' own error has no public type
        raise DataError(f"{file} cannot be read ({error}): train the model again") from error


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
