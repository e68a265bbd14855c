from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from iconotext.core.machine import machine
from iconotext.data.records import DataSet
from iconotext.explain.headline import header, title
from iconotext.explain.numbers import THIN
from iconotext.explain.runs import Run, find


def test_what_was_trained_on_what_in_how_long(folder: Path, data: DataSet) -> None:
    runs = find(folder)
    assert title(runs, data) == "UNITER, pre-trained on Boxes & <pictures>"
    page = header(runs, data)
    assert "Boxes &amp; &lt;pictures&gt;" in page
    assert "1.9 million parameters" in page
    assert f"15,000 texts beside the regions of 8 pictures: 1,800 steps in 3{THIN}min" in page
    assert "visual question answering and for image and text retrieval: 5 runs" in page
    assert "<b>7 of 9</b> claims met" in page
    assert machine() in page


def test_the_machine_of_the_run_where_it_is_recorded(folder: Path) -> None:
    (run,) = find(folder / "pretrain")
    page = header([replace(run, about={**run.about, "machine": "2 cores of X"})], None)
    assert "Trained on 2 cores of X." in page


def test_a_run_that_is_not_finished_says_so(folder: Path) -> None:
    (run,) = find(folder / "pretrain")
    assert "90 of 1,800 steps" in header([replace(run, lines=run.lines[:10])], None)


def test_a_run_of_its_own(folder: Path) -> None:
    runs = find(folder / "vqa")
    assert title(runs, None) == "The run vqa"
    assert "claims met" not in header(runs, None)


def test_a_run_that_is_nothing_but_a_log(folder: Path) -> None:
    (run,) = find(folder / "pretrain")
    bare = Run("x", run.path, run.lines[:10])
    assert title([bare], None) == "The run x"
    assert "x read texts beside regions of pictures: 90 steps so far" in header([bare], None)
