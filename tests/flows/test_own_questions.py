"""Questions on pictures of one's own, from a table to a model that answers them (docs/start/tutorial.md)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from iconotext.cli.main import call
from iconotext.core.seed import generator

COLOURS = {"red": (230, 40, 30), "green": (40, 190, 60), "blue": (40, 60, 220)}
COUNT = 60


def run(*arguments: object) -> None:
    assert call([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures of one shape each, and a table of questions that cannot be answered without them."""
    folder = tmp_path_factory.mktemp("own")
    rows = []
    for number in range(COUNT):
        random = generator("own questions", number)
        colour, shape = list(COLOURS)[number % 3], ("circle", "rectangle")[number % 2]
        picture = Image.new("RGB", (64, 64), tuple(random.integers(225, 256, 3).tolist()))
        x, y = random.integers(2, 34, 2).tolist()
        draw = ImageDraw.Draw(picture)
        getattr(draw, {"circle": "ellipse"}.get(shape, shape))((x, y, x + 26, y + 26), fill=COLOURS[colour])
        (folder / "pictures").mkdir(exist_ok=True)
        picture.save(folder / "pictures" / f"{number}.png")
        split = "test" if number >= COUNT - 12 else "train"
        asked = list(COLOURS)[(number // 3) % 3]
        rows.append([f"{number}.png", "what colour is it?", colour, "colour", split])
        rows.append([f"{number}.png", f"is it {asked}?", "yes" if asked == colour else "no", "yes or no", split])
    rows += [["lost.png", "what colour is it?", "red", "colour", "train"], ["0.png", "", "red", "colour", "train"]]
    (folder / "tables").mkdir()
    with (folder / "tables" / "vqa.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "question", "answer", "kind", "split"], *rows])
    return folder


def test_from_a_table_of_questions_to_answers(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("ingest", mine / "tables", mine / "data", "--format", "tables", "--images", mine / "pictures")
    assert "vqa: 120 kept, 1 without their picture" in (mine / "data" / "report.txt").read_text()
    run("extract", mine / "data", mine / "regions", "--detector", "grid", "--columns", 2, "--rows", 2)
    at = ["--data", mine / "data", "--store", mine / "regions"]
    few = ["--steps", 60, "--batch", 32, "--workers", 0]
    run("finetune", "vqa", "--system", "uniter", *at, "--out", mine / "vqa", *few)
    run("evaluate", mine / "vqa", *at)
    figures = {f["name"]: f["value"] for f in json.loads((mine / "vqa" / "evaluation.json").read_text())["figures"]}
    assert figures["VQA accuracy"] > 0.9
    assert figures["VQA accuracy, regions removed"] < 0.7
    capsys.readouterr()
    number = COUNT - 1
    run("use", "answer", mine / "vqa", mine / "pictures" / f"{number}.png", "what colour is it?", "--json")
    assert list(COLOURS)[number % 3] in capsys.readouterr().out
