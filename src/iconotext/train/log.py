"""The record of a run: RUN/log.jsonl always, tensorboard when asked for.

Each line has ``kind`` and ``step``; the kinds are ``step`` (losses, rate, speed), ``evaluate``, ``skipped`` (a step
left out, and why) and ``note``. A run that goes on cuts what was logged after its state, so each step is there once.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from iconotext.core.errors import MissingPiece
from iconotext.core.machine import peak_memory
from iconotext.train.state import Progress
from iconotext.train.step import Outcome


@runtime_checkable
class Record(Protocol):
    """Something that keeps the lines of a run."""

    def write(self, kind: str, step: int, values: Mapping[str, object]) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


class JsonLines:
    """Lines of JSON, each in the file as soon as it is written; numbers that are not finite are written as text."""

    def __init__(self, path: Path, resumed: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _cut(path, resumed)
        self._file = path.open("a", encoding="utf-8")

    def write(self, kind: str, step: int, values: Mapping[str, object]) -> None:
        """One line of JSON."""
        line = {"kind": kind, "step": step, **values}
        self._file.write(json.dumps(_plain(line), ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """On the disk, before a state says that these steps are done."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more lines."""
        self._file.close()


class TensorBoard:
    """The numbers of every line as tensorboard scalars under RUN/tensorboard.

    Raises:
        MissingPiece: tensorboard is not installed.
    """

    def __init__(self, path: Path, resumed: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingPiece("tensorboard is not installed: pip install 'iconotext[track]'") from error
        self._writer = SummaryWriter(str(path), purge_step=resumed + 1)

    def write(self, kind: str, step: int, values: Mapping[str, object]) -> None:
        """The finite numbers of a line, each under its kind and name."""
        for name, value in _flat(values).items():
            if isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(f"{kind}/{name}", value, step)

    def sync(self) -> None:
        """On the disk."""
        self._writer.flush()

    def close(self) -> None:
        """No more lines."""
        self._writer.close()


class Meter:
    """Adds up what happens between two logged steps; the losses' sums live in the progress, so a restart keeps them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._clear()

    def _clear(self) -> None:
        self.rows = self.tokens = 0
        self.seconds = self.waited = 0.0

    def add(self, outcome: Outcome, seconds: float, waited: float) -> None:
        """Count one step that took ``seconds``, of which ``waited`` for its batches."""
        self.rows, self.tokens = self.rows + outcome.rows, self.tokens + outcome.tokens
        self.seconds, self.waited = self.seconds + seconds, self.waited + waited
        self._progress.seconds += seconds
        if outcome.finite:
            for name, (total, count) in outcome.losses.items():
                pair = self._progress.sums.setdefault(name, [0.0, 0.0])
                pair[0], pair[1] = pair[0] + total, pair[1] + count

    def take(self, rate: float, norm: float, device: torch.device) -> dict[str, object]:
        """The line of this interval; begins the next one."""
        spent = max(self.seconds, 1e-9)
        line: dict[str, object] = {
            "learning_rate": rate,
            "losses": {name: total / count for name, (total, count) in self._progress.sums.items()},
            "gradient_norm": norm,
            "rows_per_second": round(self.rows / spent, 2),
            "seconds": round(self._progress.seconds, 3),
            "waiting": round(self.waited / spent, 4),
            "memory_mb": round(memory_mb(device)),
        }
        if self.tokens:
            line["tokens_per_second"] = round(self.tokens / spent, 1)
        self._progress.sums.clear()
        self._clear()
        return line


def memory_mb(device: torch.device) -> float:
    """The most memory that this process has held: of the GPU where it uses one, else of the host."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return peak_memory() / 2**20


def read(path: Path) -> list[dict[str, object]]:
    """The lines of a log; a torn last line, as a kill leaves it, is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def _cut(path: Path, resumed: int) -> None:
    kept = [line for line in read(path) if isinstance(line["step"], int) and line["step"] <= resumed]
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), encoding="utf-8")
    part.replace(path)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _flat(values: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found.update({f"{name}/{k}": v for k, v in value.items()})
        else:
            found[name] = value
    return found
