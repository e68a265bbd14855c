"""Every task that the built-in world has data for, from fine-tuning to figures and the official file, on a tiny world.

Few steps: that all parts fit together, not how well it is done. A model that sees only the text, and one that sees only the
picture, go the same way.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from iconotext.cli.main import call
from iconotext.data.records import DataSet
from iconotext.tasks.table import TASKS

SYSTEMS = ("uniter", "vilbert")
OFFICIAL = {"vqa": "vqa_results.json", "statements": "nlvr2_results.csv"}
FEW = ["--steps", 6, "--batch", 16, "--workers", 0, "--evaluate-on", 0, "--language", "en"]


def run(*arguments: object) -> None:
    assert call([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny world, its regions, and a model of each system that has hardly begun to learn."""
    folder = tmp_path_factory.mktemp("tasks")
    run("world", folder / "world", "--size", "tiny", "--languages", "en")
    run("extract", folder / "world", folder / "regions", "--min", 2)
    for system in SYSTEMS:
        at = ["--data", folder / "world", "--store", folder / "regions", "--out", folder / system]
        run("pretrain", *at, "--system", system, "--size", "tiny", "--steps", 10, "--workers", 0)
    return folder


def tasks() -> list[str]:
    """The tasks whose table the world writes."""
    return [name for name in TASKS if name not in ("gqa", "entailment")]


def evaluated(made: Path, folder: Path, task: str, system: str, *flags: object) -> tuple[dict[str, Any], int]:
    at = ["--data", made / "world", "--store", made / "regions"]
    run("finetune", task, *at, "--from", made / system, "--out", folder, *FEW, *flags)
    run("evaluate", folder, *at, "--language", "en", "--pictures", 10 if task == "retrieval" else 0)
    return json.loads((folder / "evaluation.json").read_text()), pq.read_table(folder / "predictions.parquet").num_rows


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("task", tasks())
def test_a_task(made: Path, tmp_path: Path, task: str, system: str) -> None:
    found, rows = evaluated(made, tmp_path, task, system)
    assert (found["task"], found["blind"]) == (task, None)
    assert rows > 10
    for figure in found["figures"]:
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    official = {path.name for path in tmp_path.glob("*_results.*")}
    assert official == {OFFICIAL[task]} if task in OFFICIAL else not official
    if task != "retrieval":
        ends = [name.rpartition(", ")[2] for name in (figure["name"] for figure in found["figures"])]
        assert {"regions removed", "words removed"} <= set(ends)


@pytest.mark.parametrize("blind", ["text", "picture"])
@pytest.mark.parametrize("task", tasks())
def test_a_task_without_the_picture_or_without_the_words(made: Path, tmp_path: Path, task: str, blind: str) -> None:
    found, _ = evaluated(made, tmp_path, task, "uniter", "--blind", blind)
    assert found["blind"] == blind
    end = {"text": ", regions removed", "picture": ", words removed"}[blind]
    assert all(figure["name"].endswith(end) for figure in found["figures"])


def test_what_the_world_writes(made: Path) -> None:
    tables = DataSet.open(made / "world").tables
    source = {"retrieval": "texts", "relevance": "queries", "grounding": "phrases"}
    assert all(source.get(task, task) in tables for task in tasks())
