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
    figures = [tasks.table([run], [found]) for found in (tasks.measured(run), tasks.measured(run, "by_kind")) if found]
    lead = f"Measured on the {run.evaluation.get('split', 'test')} split; intervals of 95 %."
    sections = [Section("figures", "Figures", lead, tuple(wide(figure) for figure in figures))]
    sections += _searches(run, pictures, most) if "rank" in rows.column_names else _sides(run, rows, pictures, most)
    data = pictures.data
    licence = str(data.info.get("made_by", {}).get("licence", "")) if data is not None else ""
    return document(title, el("header", el("h1", title)), sections, licence, "evaluation.json")


def _searches(run: Run, pictures: Pictures, most: int) -> Iterator[Section]:
    """Texts with the pictures that were found, right ones first."""
    sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for case in predictions.queries(run, pictures.data):
        sides[case["ranking"][0][0] == case["answer_image"]].append(case)
    if any(sides.values()):
        yield examples.queries([case for side in sides.values() for case in side[:most]], pictures)


def _sides(run: Run, rows: pa.Table, pictures: Pictures, most: int) -> Iterator[Section]:
    """Right and wrong cases, each kind a section."""
    values = rows["accuracy"].to_numpy(zero_copy_only=False).astype(np.float64)
    units = rows["unit"].to_pylist()
    grade = GRADED.get(run.task, "")
    for ident, title, side in (("right", "Right", values > HALF), ("wrong", "Wrong", values <= HALF)):
        chosen = some(np.flatnonzero(side), units, most)
        cases = [read(row) for row in rows.take(chosen).to_pylist()]
        if grade:
            title = f"{grade} {'above' if ident == 'right' else 'up to'} {share(HALF, 0)}"
        lead = f"{plural(int(side.sum()), 'case')} of {len(values):,}; the data's first, one a picture while there are others."
        body = wide([_card(case, pictures, bool(grade)) for case in cases], class_="cards small")
        yield Section(ident, title, lead, (body if cases else el("p", "None."),))


def some(rows: NDArray[np.int64], units: Sequence[Any], most: int) -> list[int]:
    """Some rows in the data's order: the first of the first unit, the second of the second and so on, then what is left."""
    of: dict[Any, list[int]] = {}
    for row in rows.tolist():
        of.setdefault(units[row], []).append(row)
    first = [own[number % len(own)] for number, own in enumerate(of.values())][:most]
    taken = set(first)
    rest = (row for row in rows.tolist() if row not in taken)
    return sorted([*first, *(row for row, _ in zip(rest, range(most - len(first))))])


def _card(case: Case, pictures: Pictures, graded: bool) -> Html:
    right = case.value > HALF
    frames = {f"right {phrase}".strip(): box for phrase, box in case.right_boxes.items() if case.value < 1}
    frames |= {phrase or "said": box for phrase, box in case.boxes.items()}
    mark = el("span", "✓ " if right else "✗ ", class_="yes" if right else "no")
    value = el("span", f" {share(case.value, 0)}", class_="soft") if graded else None
    said = None if frames and not graded else el("b", words(case.said))
    wanted = el("p", "right: ", el("b", words(case.right))) if case.right and (graded or not right) else None
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
