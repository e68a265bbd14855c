from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from iconotext.core.errors import DataError
from iconotext.explain.runs import Run, find, read


def test_the_runs_of_a_folder(folder: Path) -> None:
    runs = find(folder)
    assert runs[0].name == "pretrain"
    assert {run.name for run in runs[1:]} == {"vqa", "vqa-scratch", "vqa-blind", "retrieval", "retrieval-scratch"}
    by_name = {run.name: run for run in runs}
    assert by_name["pretrain"].pretraining
    assert by_name["pretrain"].task == ""
    assert by_name["pretrain"].parameters == 1_900_000
    assert by_name["pretrain"].title == "UNITER"
    assert by_name["vqa-blind"].task == "vqa"
    assert (by_name["vqa-blind"].stem, by_name["vqa-blind"].variant) == ("vqa", "blind")
    assert (by_name["vqa"].stem, by_name["vqa"].variant) == ("vqa", "")
    assert by_name["vqa"].last_step == 600


def test_a_single_run(folder: Path) -> None:
    assert [run.name for run in find(folder / "vqa")] == ["vqa"]


def test_options_tell_what_was_left_out() -> None:
    assert Run("x", Path("x"), about={"options": {"scratch": True}}).variant == "scratch"
    assert Run("x", Path("x"), about={"options": {"scratch": True, "blind": "text"}}).variant == "blind"
    assert Run("x", Path("x"), about={"options": {"blind": "picture"}}).variant == "wordless"
    assert Run("x", Path("x"), about={"options": {"blind": None}}).variant == ""


def test_curves_leave_out_what_is_not_finite() -> None:
    lines = tuple(
        {"kind": "step", "step": step, "losses": {"mlm": value}} for step, value in enumerate([2.0, "nan", 1.0, None])
    )
    assert Run("x", Path("x"), lines).curve("losses", "mlm") == ([0.0, 2.0], [2.0, 1.0])


def test_a_torn_last_line_is_left_out(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "vqa", tmp_path / "vqa")
    with (tmp_path / "vqa" / "log.jsonl").open("a") as log:
        log.write('{"kind": "step", "st')
    assert read(tmp_path / "vqa").last_step == 600


def test_a_folder_without_runs_names_the_commands(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="iconotext pretrain"):
        find(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        find(tmp_path / "nowhere")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json"):
        find(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({}))
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(DataError, match="safetensors"):
        find(tmp_path)
