"""The whole way on a tiny world through the command line: world, regions, pre-training, fine-tuning, measures, report.

Each system must beat chance by a margin that a broken model misses: with the picture it finds at least twice as many hidden
colours as it does without, and of the hidden objects a tenth of all more. (A thousand captions are too few to learn
matching from: a tiny world's pairs are known by heart before they are understood.)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import iconotext
from iconotext.core.errors import MissingPiece
from iconotext.data.records import DataSet

STEPS = {"uniter": 900, "vilbert": 450}


def call(*arguments: object, expect: int = 0) -> str:
    """Runs a command as a user does; returns what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "iconotext", *map(str, arguments)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == expect, (
        f"{arguments}: exit {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny world and its regions."""
    folder = tmp_path_factory.mktemp("flow")
    call("world", folder / "world", "--size", "tiny", "--languages", "en")
    call("extract", folder / "world", folder / "regions")
    return folder


def figures(path: Path, of: str) -> dict[str, dict[str, Any]]:
    key = "key" if of == "claims" else "name"
    return {entry[key]: entry for entry in json.loads(path.read_text())[of]}


@pytest.mark.parametrize("system", STEPS)
def test_from_pictures_to_a_report(made: Path, system: str) -> None:
    at = ["--data", made / "world", "--store", made / "regions"]
    run = made / system / "pretrain"
    call("pretrain", *at, "--out", run, "--system", system, "--size", "tiny", "--steps", STEPS[system], "--warmup", 50)
    call("measure", run, *at, "--cases", 250, "--pictures", 40)
    claims = figures(run / "measures.json", "claims")
    assert claims["masked_colour"]["value"] > 2 * claims["masked_colour_blind"]["value"]
    assert claims["masked_object"]["value"] > claims["masked_object_blind"]["value"] + 0.1

    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [line["losses"]["mlm"] for line in log if line["kind"] == "step" and "mlm" in line["losses"]]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])

    tuned = made / system / "vqa"
    call("finetune", "vqa", *at, "--from", run, "--out", tuned, "--steps", 60)
    call("evaluate", tuned, *at)
    assert any(0 < figure["value"] <= 1 for figure in figures(tuned / "evaluation.json", "figures").values())

    call("report", made / system)
    page = (made / system / "report.html").read_text(encoding="utf-8")
    assert "Masked object word" in page

    model = iconotext.load(run)
    data = DataSet.open(made / "world")
    picture = data.image(data.image_ids("test")[0])
    assert len(model.match(picture, ["a red car", "a dog in the water"])) == 2
    assert len(model.fill(picture, "a [MASK] on the grass")[0]) == 5
    answers = iconotext.load(tuned).answer(picture, "is there a dog")
    assert answers[0][1] >= answers[-1][1]
    with pytest.raises(MissingPiece, match="finetune vqa"):
        model.answer(picture, "is there a dog")


def test_a_question_without_a_model_names_the_command(made: Path) -> None:
    said = call("search", made / "nothing", made, "a dog", expect=2)
    assert "iconotext pretrain" in said or "holds no pictures" in said
