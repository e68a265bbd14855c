"""``iconotext report``: what was trained and what came out of it, as one page to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from tyro.conf import Positional

from iconotext.core.errors import ConfigError, DataError
from iconotext.core.files import write_bytes, write_json
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.explain import claims, curves, examples, predictions, settings, summary, tasks
from iconotext.explain.headline import header, title
from iconotext.explain.page import Section, document
from iconotext.explain.pictures import Pictures
from iconotext.explain.runs import Run, find


@dataclass(frozen=True)
class ReportOptions:
    """Write one HTML page that shows what was trained and what came out of it, and its figures as JSON.

    The page holds all its pictures, needs no network, and can be sent to somebody as it is. What was not made yet is left
    out, with the command that makes it.
    """

    run: Positional[Path]
    """Folder of a run, or a folder of runs; report.html and report.json are written there."""
    data: Path | None = None
    """The data set whose pictures are shown; None takes the one that was measured or trained on."""
    store: Path | None = None
    """Its regions; None takes the store that was measured or trained on."""
    examples: int = 12
    """Most examples of each kind."""


def run(options: ReportOptions) -> Path:
    """Writes the page and its figures; the path of the page.

    Raises:
        DataError: the folder holds no run, or a file in it is damaged.
        ConfigError: an option is out of range.
    """
    if options.examples < 1:
        raise ConfigError(f"--examples {options.examples}: show at least 1")
    runs = find(options.run)
    data, store = _data(options, runs), _store(options, runs)
    pictures = Pictures(data, store)
    sections = list(_sections(runs, pictures, options.examples))
    page = document(title(runs, data), header(runs, data), sections, pictures.licence)
    file = options.run / "report.html"
    write_json(options.run / "report.json", summary.figures(runs))
    write_bytes(file, page.encode())
    _say(file, sections, pictures)
    return file


def _sections(runs: Sequence[Run], pictures: Pictures, most: int) -> Iterator[Section]:
    yield claims.section(runs)
    yield tasks.section(runs)
    yield curves.section(runs)
    shown = _examples(runs, pictures)
    yield examples.masked_words(shown["masked_words"][:most], pictures)
    yield examples.regions(shown["regions"][:most], pictures)
    yield examples.questions(_balanced(shown["questions"], most), pictures)
    if shown["captions"]:
        yield examples.captions(shown["captions"][:most], pictures)
    yield examples.queries(shown["queries"][:most], pictures)
    yield settings.section(runs)


def _examples(runs: Sequence[Run], pictures: Pictures) -> dict[str, list[Mapping[str, Any]]]:
    """What was measured; what is missing there is taken from the whole runs that were evaluated."""
    kinds = ("masked_words", "regions", "questions", "queries")
    found: dict[str, list[Mapping[str, Any]]] = {
        kind: [case for run in runs for case in run.measures.get("examples", {}).get(kind, [])] for kind in kinds
    }
    whole = [run for run in runs if not run.variant]
    found["questions"] = found["questions"] or [case for run in whole for case in predictions.questions(run)]
    found["captions"] = [case for run in whole for case in predictions.captions(run)]
    found["queries"] = found["queries"] or [case for run in whole for case in predictions.queries(run, pictures.data)]
    found["regions"] = found["regions"] or [{"image_id": image_id} for image_id in _first(pictures, 6)]
    return found


def _first(pictures: Pictures, count: int) -> list[str]:
    """Some pictures that there are regions of."""
    return [] if pictures.store is None or pictures.data is None else pictures.store.ids[:count]


def _balanced(cases: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """The first cases, wrong ones among them where there are any: up to a half."""
    right = [case for case in cases if case["right"]]
    wrong = [case for case in cases if not case["right"]]
    some = wrong[: max(most // 2, most - len(right))]
    return [*right[: most - len(some)], *some]


def _data(options: ReportOptions, runs: Sequence[Run]) -> DataSet | None:
    """The data set, where it is still to be found; a data set that the user names must be there."""
    if options.data is not None:
        return DataSet.open(options.data)
    for place in _places(runs, "data"):
        try:
            return DataSet.open(place)
        except DataError:
            continue
    return None


def _store(options: ReportOptions, runs: Sequence[Run]) -> RegionStore | None:
    if options.store is not None:
        return RegionStore.open(options.store)
    for place in _places(runs, "store"):
        try:
            return RegionStore.open(place)
        except DataError:
            continue
    return None


def _places(runs: Sequence[Run], kind: str) -> list[str]:
    """Where the runs say that their data or store is: what was measured on first."""
    named = [run.measures.get(kind) for run in runs] + [run.options.get(kind) for run in runs]
    return [place for place in dict.fromkeys(named) if isinstance(place, str)]


def _say(file: Path, sections: Sequence[Section], pictures: Pictures) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{file}[/bold]  {file.stat().st_size / 1e6:.1f} MB, figures beside it in report.json")
    empty = [section.title for section in sections if section.missing]
    if empty:
        console.print(f"Left out, since it was not made yet: {', '.join(empty)}. The page names the commands.")
    if pictures.data is None and any(section.ident == "words" and not section.missing for section in sections):
        console.print("The data set was not found, so the page shows no pictures: name it with --data.")
    if pictures.lost:
        console.print(f"{len(set(pictures.lost))} pictures are not in the data set.")
