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
WRITER = "vlp"
"""The system that writes captions, which the others cannot."""
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
    for system in (*SYSTEMS, WRITER):
        at = ["--data", folder / "world", "--store", folder / "regions", "--out", folder / system]
        run("pretrain", *at, "--system", system, "--size", "tiny", "--steps", 10, "--workers", 0)
    return folder


def tasks() -> list[str]:
    """The tasks of every system whose table the world writes."""
    return [name for name in TASKS if name not in ("gqa", "entailment", "captions")]


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
    assert (tmp_path / "examples.html").read_text("utf-8").count("<img") > 5
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


@pytest.mark.parametrize("flags", [[], ["--blind", "text"], ["--scratch"]], ids=["", "blind", "scratch"])
def test_captions(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    found, rows = evaluated(made, tmp_path, "captions", WRITER, "--kind", "list", *flags)
    assert rows == found["figures"][0]["n"] > 10
    for figure in found["figures"]:
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"]
    names = {figure["name"].partition(",")[0] for figure in found["figures"]}
    assert names == {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"}
    assert len(json.loads((tmp_path / "captions_results.json").read_text())) == rows
    assert "Lowest ROUGE-L" in (tmp_path / "examples.html").read_text("utf-8")
    if not flags:
        data = DataSet.open(made / "world")
        data.image(data.image_ids("test")[0]).save(tmp_path / "photo.png")
        capsys.readouterr()
        run("use", "caption", tmp_path, tmp_path / "photo.png", "--beams", 2, "--out", tmp_path / "out.png", "--json")
        assert json.loads(capsys.readouterr().out)["caption"]
        assert (tmp_path / "out.png").is_file()


def test_what_cannot_write_is_told_who_can(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--data", made / "world", "--store", made / "regions", "--out", tmp_path]
    for start, flags, told in (("uniter", [], WRITER), (WRITER, ["--blind", "picture"], "--blind text")):
        wrong = ["finetune", "captions", *at, "--from", made / start, *FEW, *flags]
        assert call([str(argument) for argument in wrong]) == 2
        assert told in capsys.readouterr().err


def test_several_tasks_in_one_run(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained together, measured each on its own data, used, and one of them trained further."""
    names = ("vqa", "expressions", "statements", "retrieval")
    at, out = ["--data", made / "world", "--store", made / "regions"], tmp_path / "multi"
    run("finetune", "multi", *names, *at, "--from", made / "uniter", "--out", out, *FEW[2:], "--steps", 8)
    run("evaluate", out, "--pictures", 10)
    found = json.loads((out / "evaluation.json").read_text())["tasks"]
    assert {name: own["task"] for name, own in found.items()} == {name: name for name in names}
    assert all((out / name / "predictions.parquet").is_file() for name in names)
    data = DataSet.open(made / "world")
    data.image(data.image_ids("test")[0]).save(tmp_path / "photo.png")
    capsys.readouterr()
    run("use", "answer", out, tmp_path / "photo.png", "what is this", "--json")
    run("use", "ground", out, tmp_path / "photo.png", "the car", "--out", tmp_path / "found.png", "--json")
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [set(line) for line in said] == [{"answer", "score"}] * 5 + [{"box", "score", "picture"}]
    run("finetune", "vqa", *at, "--from", out, "--out", tmp_path / "vqa", *FEW)
    run("evaluate", tmp_path / "vqa")
    assert json.loads((tmp_path / "vqa" / "evaluation.json").read_text())["task"] == "vqa"


def test_what_the_world_writes(made: Path) -> None:
    tables = DataSet.open(made / "world").tables
    source = {"retrieval": "texts", "relevance": "queries", "grounding": "phrases", "foils": "minimal_pairs"}
    assert all(source.get(task, task) in tables for task in tasks())
