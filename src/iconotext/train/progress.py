"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere, nothing on helper processes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EVERY = 5.0
"""Seconds between two plain lines."""


class Display:
    """The steps done, the losses, rows a second and the time left."""

    def __init__(self, done: int, steps: int, quiet: bool) -> None:
        self._console = Console(quiet=quiet, stderr=True)
        self._steps, self._first, self._begin, self._last = steps, done, time.monotonic(), 0.0
        columns = (
            TextColumn("training"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[figures]}"),
        )
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal or quiet)
        self._task = self._bar.add_task("", total=steps, completed=done, figures="")

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def step(self, done: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done)

    def figures(self, done: int, line: Mapping[str, object]) -> None:
        """Show the newest line of the log."""
        losses = line["losses"]
        assert isinstance(losses, Mapping)
        text = "  ".join([*(f"{k} {v:.3f}" for k, v in losses.items()), f"{line['rows_per_second']:.0f} rows/s"])
        self._bar.update(self._task, figures=text)
        now = time.monotonic()
        if self._bar.disable and (now - self._last >= EVERY or done == self._steps):
            left = (now - self._begin) / max(1, done - self._first) * (self._steps - done)
            self.say(f"step {done}/{self._steps}  {text}  {clock(left)} left")
            self._last = now


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
