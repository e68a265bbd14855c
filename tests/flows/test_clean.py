"""Cleaning on a tiny world through the command line: wrong captions, a model of them, a cleaned data set to pre-train on.

Few steps: that the parts fit together. How well it is done is measured on a larger world (docs/how/clean.md).
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from iconotext.cli.main import call
from iconotext.data.records import DataSet


def run(*arguments: object) -> None:
    assert call([str(argument) for argument in arguments]) == 0


def test_from_wrong_captions_to_a_cleaned_data_set(tmp_path: Path) -> None:
    world, store, model = tmp_path / "world", tmp_path / "regions", tmp_path / "model"
    run("world", world, "--size", "tiny", "--languages", "en", "--noise", 0.3)
    run("extract", world, store, "--min", 2)
    few = ["--batch", 16, "--workers", 0]
    run("pretrain", "--data", world, "--store", store, "--out", model, "--size", "tiny", "--steps", 6, *few)
    out = tmp_path / "clean"
    asked = ["clean", world, "--model", model, "--store", store, "--out", out, "--steps", 10, *few]
    run(*asked, "--remove", 0.3)
    report = json.loads((out / "report.json").read_text())
    assert report["made_with"]["fresh"], "the model has seen this data"
    assert 0.25 < report["truth"]["wrong"] < 0.35
    texts = DataSet.open(world).info["splits"]["train"]["texts"]
    assert DataSet.open(out / "data").info["splits"]["train"]["texts"] == texts - report["removed"]
    assert report["removed"] == round(0.3 * texts)
    assert "data:image/jpeg" in (out / "report.html").read_text("utf-8")

    run(*asked, "--remove", 0.2, "--weigh")
    weights = DataSet.open(out / "data").table("texts", "train")["weight"].to_pylist()
    assert len(weights) <= texts
    assert 0 < min(weights) < 1
    last = tmp_path / "again"
    run("pretrain", "--data", out / "data", "--store", store, "--out", last, "--size", "tiny", "--steps", 4, *few)
    assert json.loads((last / "run.json").read_text())["data"] == DataSet.open(out / "data").fingerprint
    assert pq.read_table(out / "scores.parquet").num_rows == texts
