"""The figures of a report as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from iconotext.explain.claims import claims_of, verdict
from iconotext.explain.curves import middle
from iconotext.explain.runs import Run
from iconotext.explain.tasks import groups, measured, named

FORMAT = "iconotext-report/1"


def figures(runs: Sequence[Run]) -> dict[str, Any]:
    """Verdict, claims, tasks, and the curves of every run: all that the page draws."""
    found = claims_of(runs)
    met, judged = verdict([claim for _, claim in found])
    tuned = [run for run in runs if measured(run)]
    return {
        "format": FORMAT,
        "claims_met": met,
        "claims_judged": judged,
        "claims": [{"run": run.name, **asdict(claim), "met": claim.met, "close": claim.close} for run, claim in found],
        "tasks": [
            {
                "run": run.name,
                "task": run.task,
                "compared_as": run.stem,
                "is": named(run),
                "steps": run.last_step,
                "figures": measured(run),
                "by_kind": measured(run, "by_kind"),
            }
            for members in groups(tuned)
            for run in members
        ],
        "runs": {run.name: _run(run) for run in runs},
    }


def _run(run: Run) -> dict[str, Any]:
    """What a run was, how fast it was, and its curves as pairs of steps and values."""
    return {
        "command": run.about.get("command"),
        "system": run.title,
        "parameters": run.parameters,
        "steps": run.last_step,
        "seconds": run.seconds,
        "skipped": len(run.of("skipped")),
        "rows_per_second": middle(run, "rows_per_second"),
        "tokens_per_second": middle(run, "tokens_per_second"),
        "memory_mb": max(run.curve("memory_mb")[1], default=0.0),
        "losses": {name: run.curve("losses", name) for name in run.objectives},
        "learning_rate": run.curve("learning_rate"),
        "data": run.about.get("data"),
    }
