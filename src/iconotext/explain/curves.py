"""How training went: losses, learning rate, speed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from iconotext.explain.figures import Series, panel
from iconotext.explain.html import Html, el, words
from iconotext.explain.numbers import THIN, duration, number, plural, share
from iconotext.explain.page import Section, wide
from iconotext.explain.runs import Run
from iconotext.explain.tasks import groups, named, task_name

OBJECTIVES = {
    "mlm": "masked words",
    "mrfr": "features of masked regions",
    "mrc_soft": "labels of masked regions",
    "mrc_hard": "top label of masked regions",
    "mrc_attribute": "attribute of masked regions",
    "iqa": "answers to questions",
    "itm": "do text and picture match",
    "wra": "words to regions",
    "contrastive": "which text is of which picture",
    "cmcl": "which texts are of the picture",
    "vqa": "answers",
    "retrieval": "ranking",
}
"""What the losses are about; others go by their name alone."""


def section(runs: Sequence[Run]) -> Section:
    """Panels for every pre-training run, then for every task, and a table of speeds."""
    logged = [run for run in runs if run.steps]
    body: list[Html] = []
    pretrained = [run for run in logged if run.pretraining]
    for run in pretrained:
        folder = _folder(run.name, run.name if len(pretrained) == 1 else "")
        body += [el("h3", f"Pre-training {run.title}", folder), _pretraining(run)]
    for members in groups([run for run in logged if not run.pretraining]):
        first = members[0]
        title = f"Fine-tuning for {task_name(first)}" if first.task else first.stem
        body += [el("h3", title, _folder(first.stem, first.task)), _together(members)]
    if logged:
        body += [el("h3", "Speed"), wide(_speeds(logged))]
    lead = (
        "Each panel shows one loss over the steps of training, pale as it was logged and dark as a running mean; lower is "
        "better. A curve that begins late belongs to an objective that joins later."
    )
    return Section("training", "How training went", lead, tuple(body), "" if body else "log")


def _folder(name: str, obvious: str) -> Html | None:
    """The folder's name beside a title, unless it says nothing new."""
    return el("span", f" {name}", class_="soft") if name != obvious else None


def _pretraining(run: Run) -> Html:
    end = float(run.last_step)
    order = [*OBJECTIVES, *run.objectives]
    panels = [_loss(name, [run], end) for name in sorted(run.objectives, key=order.index)]
    panels.append(_rate([run], end))
    panels.append(panel("speed", [Series("", *run.curve("rows_per_second"))], "pairs a second", end, zero=True))
    return wide(panels, _skipped([run]), class_="panels")


def _together(members: Sequence[Run]) -> Html:
    """One panel a loss and one a figure that was measured on the way, all members in it."""
    end = float(max(run.last_step for run in members))
    losses = dict.fromkeys(name for run in members for name in run.objectives)
    figures = dict.fromkeys(name for run in members for line in run.of("evaluate") for name in line)
    panels = [_loss(name, members, end) for name in losses]
    for name in figures:
        series = [Series(named(run), *run.evaluated(name)) for run in members]
        if name not in ("kind", "step") and max(len(one.x) for one in series) > 1:
            panels.append(panel(name.replace("_", " "), series, "on the way", end, zero=True, noisy=False))
    panels.append(_rate(members, end))
    return wide(panels, _skipped(members), class_="panels")


def _loss(name: str, members: Sequence[Run], end: float) -> Html:
    series = [Series(named(run), *run.curve("losses", name)) for run in members]
    return panel(name, series, OBJECTIVES.get(name, "loss"), end)


def _rate(members: Sequence[Run], end: float) -> Html:
    """The learning rate, one curve where all have the same."""
    rates = [Series(named(run), *run.curve("learning_rate")) for run in members]
    same = all(one.y == rates[0].y for one in rates)
    about = "the same for all" if same and len(rates) > 1 else ""
    return panel("learning rate", rates[:1] if same else rates, about, end, zero=True, noisy=False)


def _skipped(members: Sequence[Run]) -> Html | None:
    count = sum(len(run.of("skipped")) for run in members)
    if not count:
        return None
    text = f"Left out, since the loss or its gradient was not finite: {plural(count, 'step')}."
    return el("p", text, class_="warning")


def _speeds(runs: Sequence[Run]) -> Html:
    heads = ("Run", "Steps", "Time", "Pairs a second", "Tokens a second", "Memory", "Waiting for data")
    rows = []
    for run in runs:
        memory = max(run.curve("memory_mb")[1], default=0.0)
        waiting = middle(run, "waiting")
        texts = (
            f"{run.last_step:,}",
            duration(run.seconds),
            number(round(middle(run, "rows_per_second"))),
            number(round(middle(run, "tokens_per_second"))) if run.curve("tokens_per_second")[1] else "–",
            f"{memory / 1024:.1f}{THIN}GB",
            share(waiting, 0),
        )
        cells = [el("td", text, data_label=head) for head, text in zip(heads[1:], texts)]
        rows.append(el("tr", el("th", words(run.name), scope="row"), cells))
    head = el("thead", el("tr", [el("th", text, scope="col") for text in heads]))
    return el("table", head, el("tbody", rows), class_="speeds")


def middle(run: Run, name: str) -> float:
    """The median of what was logged, 0 where nothing was."""
    values = run.curve(name)[1]
    return statistics.median(values) if values else 0.0
