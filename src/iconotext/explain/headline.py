"""The top of a report: what was trained on what, in how long, on which machine, and whether it holds what was claimed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iconotext.core.machine import machine
from iconotext.data.records import DataSet
from iconotext.explain.claims import Claim, claims_of, verdict
from iconotext.explain.html import Html, el, join, words
from iconotext.explain.numbers import duration, millions, plural
from iconotext.explain.runs import Run
from iconotext.explain.tasks import groups, task_name


def title(runs: Sequence[Run], data: DataSet | None) -> str:
    """The page's title."""
    trained = list(dict.fromkeys(run.title for run in runs if run.pretraining and run.title != run.name))
    if not trained:
        return f"The run {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{' and '.join(trained)}, pre-trained" + (f" on {data.info['name']}" if data is not None else "")


def header(runs: Sequence[Run], data: DataSet | None) -> Html:
    """Title, the story in a few sentences, the verdict."""
    pretrained = [run for run in runs if run.pretraining]
    tuned = [run for run in runs if run.task]
    sentences = [_learnt(run, data, len(pretrained) > 1) for run in pretrained]
    if tuned:
        sentences.append(_tuned(tuned))
    recorded = [run.about["machine"] for run in runs if run.about.get("machine")]
    where = f"Trained on {recorded[0]}." if recorded else f"This report was made on {machine()}."
    judged = [claim for _, claim in claims_of(runs)]
    return el(
        "header",
        el("p", "Iconotext report", class_="kicker"),
        el("h1", title(runs, data)),
        el("p", words(" ".join([*sentences, where])), class_="story"),
        _verdict(judged),
    )


def _learnt(run: Run, data: DataSet | None, several: bool) -> str:
    """What a pre-training run read, and how far it came."""
    texts, splits = run.about.get("texts"), data.info["splits"] if data is not None else {}
    pictures = splits.get(str(run.options.get("split", "train")), {}).get("images")
    read = f"read {texts:,} texts" if isinstance(texts, int) else "read texts"
    read += f" beside the regions of {plural(pictures, 'picture')}" if pictures else " beside regions of pictures"
    size = f", with {millions(run.parameters)} parameters," if run.parameters else ""
    who = f"{run.title} ({run.name})" if several and run.title != run.name else run.title
    return f"{who}{size} {read}{_progress(run)}."


def _progress(run: Run) -> str:
    """How many steps in how long; a run that has not ended says so."""
    if not run.steps:
        return ""
    planned: Any = (run.about.get("train") or {}).get("steps")
    done = plural(run.last_step, "step")
    if planned and planned > run.last_step:
        done = f"{run.last_step:,} of {planned:,} steps"
    elif not run.about:
        done += " so far"
    return f": {done}" + (f" in {duration(run.seconds)}" if run.seconds else "")


def _tuned(runs: Sequence[Run]) -> str:
    """What it was fine-tuned for."""
    names = dict.fromkeys(task_name(members[0]) for members in groups(runs))
    took = sum(run.seconds for run in runs)
    others = ", counting those it is compared with" if any(run.variant for run in runs) else ""
    time = f": {plural(len(runs), 'run')} in {duration(took)}{others}" if took else ""
    return f"Fine-tuned for {' and for '.join(names)}{time}."


def _verdict(claims: Sequence[Claim]) -> Html | None:
    if not claims:
        return None
    met, judged = verdict(claims)
    marks = [
        el("li", "✓" if claim.met else "✗", class_="yes" if claim.met else "no", title=claim.name)
        for claim in claims
        if claim.met is not None
    ]
    strip = el("ol", marks, class_="strip", aria_hidden="true")
    line = el("p", el("b", f"{met} of {judged}"), " claims met")
    return el("div", join([line, strip]), class_="verdict")
