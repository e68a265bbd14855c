"""Fine-tuned tasks: with pre-training, without it, and without the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iconotext.explain.html import Html, el, words
from iconotext.explain.numbers import THIN, interval, plural, share
from iconotext.explain.page import Section, wide
from iconotext.explain.runs import VARIANTS, Run

TITLES = {
    "vqa": "visual question answering",
    "gqa": "GQA",
    "choices": "choices among answers and reasons",
    "statements": "statements on two pictures",
    "expressions": "referring expressions",
    "grounding": "phrase grounding",
    "entailment": "visual entailment",
    "retrieval": "image and text retrieval",
    "captions": "captions",
    "foils": "true sentences and foils",
    "relevance": "relevance of products to queries",
}
"""The tasks in words, in the order of the page."""

REMOVED = (", regions removed", ", words removed")
"""The end of a figure's name where the model was asked without the picture, or without the words."""

Figures = Mapping[str, Mapping[str, Any]]


def groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that are compared with each other, of one task and one common name: the whole one first, then what lacks."""
    order, tasks = ("", *VARIANTS), [*TITLES, ""]
    found: dict[tuple[int, str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: order.index(run.variant)):
        place = tasks.index(run.task) if run.task in tasks else len(tasks)
        found.setdefault((place, run.task, run.stem), []).append(run)
    return [found[key] for key in sorted(found)]


def figures_of(entries: object) -> Figures:
    """Figures by name, from a list of them or from a mapping of names to figures or plain numbers."""
    if isinstance(entries, Mapping):
        entries = [
            {"name": name, **(entry if isinstance(entry, Mapping) else {"value": entry})}
            for name, entry in entries.items()
        ]
    listed = entries if isinstance(entries, Sequence) and not isinstance(entries, str) else []
    fit = (entry for entry in listed if isinstance(entry, Mapping) and isinstance(entry.get("value"), int | float))
    return {str(entry.get("name", entry.get("kind", ""))): entry for entry in fit}


def measured(run: Run, what: str = "figures") -> Figures:
    """The figures of a run, or those by kind; a model that was trained blind has its own under the plain names."""
    found = figures_of(run.evaluation.get(what))
    if not run.evaluation.get("blind"):
        return found
    return {plain(name): entry for name, entry in found.items()}


def plain(name: str) -> str:
    """A figure's name without what was removed."""
    return name.removesuffix(REMOVED[0]).removesuffix(REMOVED[1])


def section(runs: Sequence[Run]) -> Section:
    """A table for each task."""
    body: list[Html] = []
    for members in groups([run for run in runs if measured(run)]):
        title = task_name(members[0])
        body.append(el("h3", title[:1].upper() + title[1:], el("span", f" {members[0].stem}", class_="soft")))
        body.append(el("p", _steps(members)))
        body.append(wide(_table(members, [measured(run) for run in members])))
        kinds = [measured(run, "by_kind") for run in members]
        if any(kinds):
            body.append(wide(el("details", el("summary", "By kind"), _table(members, kinds), class_="kinds")))
    lead = (
        "The same fine-tuning from the pre-trained model and from new weights: the difference is what pre-training bought. "
        "“Without the picture” is a model that was trained and measured on the words alone, “without the words” one that saw "
        "the picture alone."
    )
    return Section("tasks", "What pre-training bought", lead, tuple(body), "" if body else "evaluation")


def task_name(run: Run) -> str:
    """The run's task in words."""
    return TITLES.get(run.task, run.task or run.stem)


def named(run: Run) -> str:
    """What a column or a curve of a run is called."""
    if run.pretraining:
        return "not fine-tuned"
    return VARIANTS.get(run.variant, "with pre-training")


def _steps(members: Sequence[Run]) -> str:
    """Whether all had the same number of steps; a comparison stands and falls with it."""
    if all(run.pretraining for run in members):
        return "Measured as it was pre-trained, without any fine-tuning."
    counts = {named(run): run.last_step for run in members if run.last_step}
    if not counts:
        return "How many steps each was fine-tuned for was not logged."
    if len(counts) == 1:
        return f"Fine-tuned for {plural(next(iter(counts.values())), 'step')}."
    if len(set(counts.values())) == 1:
        return f"Each was fine-tuned for the same {plural(next(iter(counts.values())), 'step')}."
    return "Steps differ: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()) + "."


def _table(members: Sequence[Run], figures: Sequence[Figures]) -> Html:
    names = list(dict.fromkeys(name for found in figures for name in found))
    variants = {run.variant: found for run, found in zip(members, figures)}
    gains = "" in variants and "scratch" in variants
    heads = ["Figure", *(named(run) for run in members), *(["gain"] if gains else [])]
    rows = []
    for name in names:
        cells = [el("td", told(found.get(name)), data_label=named(run)) for run, found in zip(members, figures)]
        if gains:
            cells.append(el("td", _gain(variants[""].get(name), variants["scratch"].get(name)), data_label="gain"))
        rows.append(el("tr", el("th", words(name.replace("_", " ")), scope="row"), cells))
    head = el("thead", el("tr", [el("th", text, scope="col") for text in heads]))
    return el("table", head, el("tbody", rows), class_="tasks", style=f"--columns: {len(heads) - 1}")


def told(entry: Mapping[str, Any] | None) -> object:
    """A figure with its bar and its interval; a dash where there is none."""
    if entry is None:
        return el("span", "–", class_="soft")
    value = float(entry["value"])
    bounds = [entry.get("low"), entry.get("high")]
    known = all(isinstance(bound, int | float) for bound in bounds)
    fill = el("span", style=f"width:{100 * min(max(value, 0.0), 1.0):.1f}%") if 0 <= value <= 1 else None
    return [
        el("span", share(value), class_="value"),
        el("span", fill, class_="bar", aria_hidden="true") if fill is not None else None,
        el("span", interval(*map(float, bounds)), class_="soft") if known else None,  # type: ignore[arg-type]
    ]


def _gain(with_: Mapping[str, Any] | None, without: Mapping[str, Any] | None) -> object:
    if with_ is None or without is None:
        return None
    points = 100 * (float(with_["value"]) - float(without["value"]))
    sign = "+" if points >= 0 else "\N{MINUS SIGN}"
    return el("span", f"{sign}{abs(points):.1f}", el("span", f"{THIN}points", class_="soft"), class_="value")
