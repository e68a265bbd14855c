"""The page of one evaluation: its figures, and cases that the model got right and wrong, with their pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from iconotext.explain import examples, predictions, tasks
from iconotext.explain.html import Html, el, words
from iconotext.explain.numbers import plural, share
from iconotext.explain.page import Section, document, wide
from iconotext.explain.pictures import Pictures
from iconotext.explain.runs import Run
from iconotext.explain.said import GRADED, Case, read

WIDTH = 256
HALF = 0.5
"""A case is called right where its value is above."""


def page(run: Run, rows: pa.Table, pictures: Pictures, most: int) -> str:
    """The whole page, with at most so many cases of each side; the cases are the data's first, not the best."""
    title = f"{run.path.resolve().name}: {tasks.task_name(run)}"
    lead = f"Measured on the {run.evaluation.get('split', 'test')} split; intervals of 95 %."
    body = [wide(_table(tasks.measured(run)))]
    kinds = tasks.measured(run, "by_kind")
    body += [wide(el("details", el("summary", "By kind"), _table(kinds), class_="kinds"))] if kinds else []
    sections = [Section("figures", "Figures", lead, tuple(body))]
    sections += _searches(run, pictures, most) if "rank" in rows.column_names else _sides(run, rows, pictures, most)
    return document(title, el("header", el("h1", title)), sections, pictures.licence, "evaluation.json")


def _table(figures: tasks.Figures) -> Html:
    """Figures, a row each; what is measured with something removed stands beside what sees all."""
    shown = [end for end in ("", *tasks.REMOVED) if any(tasks.plain(name) + end == name for name in figures)]
    heads = ["Figure", *(end.removeprefix(", ") or "as it is" for end in shown)]
    names = dict.fromkeys(tasks.plain(name) for name in figures)
    cells = {
        name: [el("td", tasks.told(figures.get(name + end)), data_label=head) for end, head in zip(shown, heads[1:])]
        for name in names
    }
    rows = [el("tr", el("th", words(name.replace("_", " ")), scope="row"), cells[name]) for name in names]
    head = el("thead", el("tr", [el("th", text, scope="col") for text in heads]))
    return el("table", head, el("tbody", rows), class_="tasks", style=f"--columns: {len(shown)}")


def _searches(run: Run, pictures: Pictures, most: int) -> Iterator[Section]:
    """Texts with the pictures that were found, right ones first."""
    sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for case in predictions.queries(run, pictures.data):
        sides[case["ranking"][0][0] == case["answer_image"]].append(case)
    if any(sides.values()):
        yield examples.queries([case for side in sides.values() for case in side[:most]], pictures)


def _sides(run: Run, rows: pa.Table, pictures: Pictures, most: int) -> Iterator[Section]:
    """Right and wrong cases, or those of the highest and the lowest grade, each side a section."""
    values = rows["accuracy"].to_numpy(zero_copy_only=False).astype(np.float64)
    units = rows["unit"].to_pylist()
    grade = GRADED.get(run.task, "")
    if grade:
        order = np.argsort(-values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
        sides = {"highest": order, "lowest": order[::-1]}
    else:
        sides = {"right": np.flatnonzero(values > HALF), "wrong": np.flatnonzero(values <= HALF)}
    for ident, side in sides.items():
        chosen = some(side, units, most)
        cases = [read(row) for row in rows.take(pa.array(chosen, pa.int64())).to_pylist()]
        title = f"{ident.capitalize()} {grade}".rstrip()
        count = "In order: " if grade else f"{plural(len(side), 'case')} of {len(values):,}, the data's first: "
        lead = f"{count}one a picture or query, while there are others."
        body = wide([_card(case, pictures, bool(grade)) for case in cases], class_="cards small")
        yield Section(ident, title, lead, (body if cases else el("p", "None."),))


def some(rows: NDArray[np.int64], units: Sequence[Any], most: int) -> list[int]:
    """Some of the rows in their order: the first of the first unit, the second of the second and so on, then what is left."""
    listed: list[int] = rows.tolist()
    taken = set(predictions.one_each(listed, [units[row] for row in listed])[:most])
    taken.update([row for row in listed if row not in taken][: most - len(taken)])
    return [row for row in listed if row in taken]


def _card(case: Case, pictures: Pictures, graded: bool) -> Html:
    right = case.value > HALF
    frames = {f"right {phrase}".strip(): box for phrase, box in case.right_boxes.items() if case.value < 1}
    frames |= {phrase or "said": box for phrase, box in case.boxes.items()}
    mark = None if graded else el("span", "✓ " if right else "✗ ", class_="yes" if right else "no")
    value = el("span", f" {share(case.value, 0)}", class_="soft") if graded else None
    said = el("b", words(case.said)) if graded or not frames else None
    wanted = el("p", "right: ", el("b", words(case.right))) if case.right and case.value <= HALF else None
    without = el("p", "without the picture: ", words(case.without), class_="soft") if case.without else None
    about = el("p", words(case.text), class_="question") if case.text else None
    return el(
        "article",
        pictures.framed(case.images, frames, WIDTH),
        about,
        el("p", mark, said, value),
        wanted,
        without,
        class_="card",
    )
