"""``iconotext errors``: where two evaluated models differ, and whether that can be chance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.core.files import write_bytes, write_json
from iconotext.data.records import DataSet, write_table
from iconotext.explain.differences import cases, cells, table
from iconotext.explain.html import el
from iconotext.explain.numbers import plural
from iconotext.explain.page import document
from iconotext.explain.pictures import Pictures
from iconotext.explain.said import GRADED, read
from iconotext.tasks.metrics.intervals import Difference, paired
from iconotext.tasks.metrics.retrieval import DEPTHS

SAME = ("task", "data", "split")
"""What two evaluations must have in common."""
PARTS = ("direction", "asked", "given")
"""The columns that, with the id, name a case."""
SLICES = ("kind", "asked", "label")
"""The columns that a figure may be broken down by: the first that is there."""


@dataclass(frozen=True)
class ErrorsOptions:
    """Compare two evaluated models case by case: by how much they differ, whether that can be chance, and where.

    Both were evaluated on the same split of the same data. Written to OUT: report.html with the cases that differ most and
    their pictures, report.json with the figures, cases.parquet with every case.
    """

    run_a: Positional[Path]
    """A run that `iconotext evaluate` has measured."""
    run_b: Positional[Path]
    """Another one."""
    out: Path = Path("errors")
    """Folder for the page and its figures."""
    data: Path | None = None
    """The data set whose pictures are shown; None takes the one that was evaluated on."""
    examples: int = 12
    """Cases that are shown of each side."""
    seed: int = 0
    """Decides the resampling of the intervals."""


@dataclass(frozen=True)
class Both:
    """What two models said of the same cases, row by row."""

    evaluation: Mapping[str, Any]
    first: pa.Table
    second: pa.Table
    left_out: int

    def column(self, name: str) -> list[Any]:
        """A column of the examples; empty where there is none."""
        found: list[Any] = self.first[name].to_pylist() if name in self.first.column_names else []
        return found

    @property
    def ranked(self) -> bool:
        """Whether a case is a query whose right answer has a rank."""
        return "rank" in self.first.column_names

    @property
    def values(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How right each was of each case, from 0 to 1: accuracy, or one over the rank."""
        name = "rank" if self.ranked else "accuracy"
        found = [side[name].to_numpy(zero_copy_only=False).astype(np.float64) for side in (self.first, self.second)]
        return (1 / found[0], 1 / found[1]) if self.ranked else (found[0], found[1])


def run(options: ErrorsOptions) -> Path:
    """Compares, prints, and returns the path of the page.

    Raises:
        MissingPiece: a run was not evaluated.
        ConfigError: the two were evaluated on different tasks or data.
        DataError: they have no case in common, or a file cannot be read.
    """
    if options.examples < 1:
        raise ConfigError(f"--examples {options.examples}: show at least 1.")
    both = open_both(options.run_a, options.run_b)
    whole, parts = differences(both, options.seed)
    first, second = both.values
    known = ~(np.isnan(first) | np.isnan(second))
    sides = {"first": known & (first > second), "second": known & (second > first), "equal": known & (first == second)}
    counts = {name: int(found.sum()) for name, found in sides.items()}
    about = {name: both.evaluation.get(name) for name in SAME}
    about |= {"first": str(options.run_a), "second": str(options.run_b), "cases": int(known.sum()), "better": counts}
    about |= {"left_out": both.left_out, "figures": [asdict(d) for d in whole], "by_kind": [asdict(d) for d in parts]}
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "report.json", about)
    write_table(options.out / "cases.parquet", case_table(both))
    write_bytes(options.out / "report.html", page(options, both, [*whole, *parts], sides).encode())
    show(options, both, whole, parts, counts)
    return options.out / "report.html"


def open_both(run_a: Path, run_b: Path) -> Both:
    """The predictions of two runs on the cases that both have."""
    evaluations = [_evaluation(place) for place in (run_a, run_b)]
    for name in SAME:
        mine, other = (evaluation.get(name) for evaluation in evaluations)
        if mine != other:
            raise ConfigError(
                f"{run_a} and {run_b} were evaluated on another {name} each ({mine!r}, {other!r}): evaluate both on the same."
            )
    tables = [_predictions(place) for place in (run_a, run_b)]
    names = [_names(found) for found in tables]
    place = {name: row for row, name in enumerate(names[1])}
    mine = [row for row, name in enumerate(names[0]) if name in place]
    if not mine:
        raise DataError(f"{run_a} and {run_b} have no case in common: evaluate both on the same data.")
    theirs = [place[names[0][row]] for row in mine]
    left_out = sum(map(len, names)) - 2 * len(mine)
    return Both(evaluations[0], tables[0].take(mine), tables[1].take(theirs), left_out)


def _evaluation(place: Path) -> dict[str, Any]:
    file = place / "evaluation.json"
    if not file.is_file() or not (place / "predictions.parquet").is_file():
        raise MissingPiece(f"{place} was not evaluated: run `iconotext evaluate {place} --data DATA --store STORE`.")
    try:
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{file} is not JSON ({error}): run `iconotext evaluate` again.") from error
    return found


def _predictions(place: Path) -> pa.Table:
    file = place / "predictions.parquet"
    try:
        found = pq.ParquetFile(file).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{file} cannot be read ({error}): run `iconotext evaluate` again.") from error
    if "unit" not in found.column_names:
        raise DataError(f"{file} does not say what was drawn independently: run `iconotext evaluate {place}` again.")
    return found


def _names(rows: pa.Table) -> list[tuple[Any, ...]]:
    """What names each case."""
    own = next(name for name in rows.column_names if name.endswith("_id"))
    return list(zip(*(rows[name].to_pylist() for name in (own, *PARTS) if name in rows.column_names)))


def differences(both: Both, seed: int) -> tuple[list[Difference], list[Difference]]:
    """The figures of all cases, and those by kind of case."""
    units = np.array(both.column("unit"))
    name = next((name for name in SLICES if any(both.column(name))), "")
    kinds = np.array(["" if kind is None else str(kind) for kind in both.column(name)] if name else [""] * len(units))
    whole, parts = [], []
    for figure, first, second in figures(both):
        known = ~(np.isnan(first) | np.isnan(second))
        whole.append(paired(figure, first[known], second[known], units[known], seed))
        for kind in sorted(set(kinds[known].tolist()) - {""}):
            some = known & (kinds == kind)
            parts.append(paired(f"{figure}, {kind}", first[some], second[some], units[some], seed))
    return whole, parts


def figures(both: Both) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """The figures with the value of each case, NaN where it does not count."""
    first, second = both.values
    if not both.ranked:
        return [(GRADED.get(str(both.evaluation.get("task")), "accuracy"), first, second)]
    ways, found = np.array(both.column("direction")), []
    for way in sorted(set(ways.tolist()), reverse=True):
        for k in DEPTHS:
            # A rank of k or better, told from its inverse; half ranks are of ties.
            hits = [np.where((ways == way) & ~np.isnan(side), side >= 1 / k, np.nan) for side in (first, second)]
            found.append((f"{way.replace('_', ' ')} R@{k}", hits[0], hits[1]))
    return found


def case_table(both: Both) -> pa.Table:
    """Every case with what each model said and how right that was."""
    own = next(name for name in both.first.column_names if name.endswith("_id"))
    names = [name for name in (own, *PARTS, "unit", "kind") if name in both.first.column_names]
    columns = {name: both.first[name] for name in names}
    for end, side, value in zip("ab", (both.first, both.second), both.values):
        if "predicted" in side.column_names:
            columns[f"predicted_{end}"] = side["predicted"]
        columns[f"value_{end}"] = pa.array(value)
    return pa.table(columns)


def page(
    options: ErrorsOptions, both: Both, found: Sequence[Difference], sides: Mapping[str, NDArray[np.bool_]]
) -> str:
    """The page, with the cases where either is better."""
    names = (options.run_a.resolve().name, options.run_b.resolve().name)
    names = (f"A, {names[0]}", f"B, {names[1]}")
    pictures = Pictures(_data(options, both), None)
    sections = [table([asdict(difference) for difference in found], *names)]
    first, second = both.values
    for side, name in zip(("first", "second"), names):
        chosen = _shown(np.flatnonzero(sides[side]), np.abs(first - second), both.column("unit"), options.examples)
        listed = [case(both, row) for row in chosen]
        title = f"{name}, is better: {plural(int(sides[side].sum()), 'case')}"
        sections.append(cases(side, title, listed, names, pictures))
    heading = f"{names[0]}, and {names[1]}: {both.evaluation.get('task')}"
    return document(heading, el("header", el("h1", heading)), sections, pictures.licence)


def _data(options: ErrorsOptions, both: Both) -> DataSet | None:
    """The data set, where it is still to be found; one that the user names must be there."""
    if options.data is not None:
        return DataSet.open(options.data)
    try:
        return DataSet.open(str(both.evaluation.get("options", {}).get("data", "")))
    except DataError:
        return None


def _shown(rows: NDArray[np.int64], size: NDArray[np.float64], units: Sequence[Any], most: int) -> list[int]:
    """The rows of the largest differences, first one of each unit, then others."""
    order = rows[np.argsort(-size[rows], kind="stable")].tolist()
    turns: dict[Any, int] = {}
    turn = {}
    for row in order:
        turn[row] = turns[units[row]] = turns.get(units[row], -1) + 1
    return sorted(order, key=lambda row: turn[row])[:most]


def case(both: Both, row: int) -> dict[str, Any]:
    """A case as the page shows it."""
    first, second = (read(side.slice(row, 1).to_pylist()[0]) for side in (both.first, both.second))
    images = [*first.images, *(name for name in second.images if name not in first.images)]
    found: dict[str, Any] = {"text": first.text, "images": images, "right": first.right}
    for end, said in zip("ab", (first, second)):
        found |= {f"predicted_{end}": said.said, f"value_{end}": said.value}
    frames = (("right", first.right_boxes), ("B", second.boxes), ("A", first.boxes))
    boxes = {f"{name} {phrase}".strip(): box for name, of in frames for phrase, box in of.items()}
    return found | ({"boxes": boxes} if boxes else {})


def show(
    options: ErrorsOptions,
    both: Both,
    whole: Sequence[Difference],
    parts: Sequence[Difference],
    counts: Mapping[str, int],
) -> None:
    """Print the figures."""
    heads = ("", "A", "B", "B - A", "95 %", "p", "cases")
    printed = Table(*heads, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for entry in whole:
        printed.add_row(entry.name, *cells(asdict(entry)))
    for entry in parts:
        printed.add_row(f"  {entry.name}", *cells(asdict(entry)), style="dim")
    console = Console(highlight=False, soft_wrap=True)
    console.print(printed)
    console.print(
        f"A is better in {counts['first']:,} cases, B in {counts['second']:,}; {counts['equal']:,} are equal."
    )
    if both.left_out:
        console.print(f"{both.left_out:,} cases are of one evaluation only and were left out.")
    console.print(f"Written to {options.out / 'report.html'}, report.json and cases.parquet")
