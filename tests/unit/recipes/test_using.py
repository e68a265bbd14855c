"""Fine-tuned models on pictures of one's own, from Python and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from samples import shake, tiny
from toy_data import (
    COLOURS,
    FEATURES,
    PRINT,
    THINGS,
    make_data,
    make_store,
    make_words,
    regions,
    save_pretrained,
    scene,
)

import iconotext
from iconotext.cli.main import call
from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.core.seed import Draw
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.models.checkpoint import Features, save
from iconotext.models.task import TaskModel
from iconotext.recipes import use
from iconotext.recipes.use import Model, Product
from iconotext.regions.detections import Detections
from iconotext.systems import SYSTEMS
from iconotext.tasks.base import Source
from iconotext.tasks.beam import Search
from iconotext.tasks.table import TASKS, task_of

PAGE = tiny(SYSTEMS["uniter"])
NAMES = ("choices", "expressions", "grounding", "statements", "relevance", "captions")
PAGES = dict.fromkeys(NAMES, PAGE) | {"captions": SYSTEMS["vlp"].at("tiny")}


class Seen:
    """A detector that knows the toy's pictures by their first pixel, and finds nothing in others."""

    fingerprint = PRINT
    class_names, attribute_names, needs_boxes = ("background", *THINGS), COLOURS, False

    def fit(self, picture: np.ndarray, boxes: object = None) -> object:
        raise NotImplementedError

    def detect(self, images: list[np.ndarray]) -> list[Detections]:
        return [self.found(int(image[0, 0, 0])) for image in images]

    @staticmethod
    def found(number: int) -> Detections:
        things = scene(f"train-{number}") if number < 48 else [(0, 0)]
        row, count = regions(f"train-{number}", things), len(things) if number < 48 else 0
        parts = (row.boxes, row.scores, row.features, row.class_probs)
        floats = [part[:count].astype(np.float32) for part in parts]
        return Detections(*floats, row.attributes[:count], np.ones(count, np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The little data set with its regions, a model of each task with random weights, and two pictures."""
    folder = tmp_path_factory.mktemp("using")
    data, store = make_data(folder / "data"), make_store(folder / "store")
    words = make_words(data)
    save_pretrained(folder / "uniter", PAGE, words, store)
    features = Features(store.fingerprint, tuple(store.class_names), tuple(store.attribute_names))
    source = Source(data, store, words)
    for name in NAMES:
        torch.manual_seed(0)
        kind = TASKS[name].options().task(source, "train", PAGES[name]).kind
        model = TaskModel(PAGES[name], kind, words.vocab.size, FEATURES, store.class_count, len(store.attribute_names))
        shake(model)
        save(folder / name, model, words.tokenizer.to_str(), features, {"command": "finetune"})
    for number in (0, 1, 2, 200):
        Image.new("RGB", (256, 192), (number, 0, 0)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use, "open_like", lambda *_: Seen())


def trained_scores(folder: Path, model: Model, row: int) -> torch.Tensor:
    """What the model says of an example of the training split, by the way that it was trained."""
    task = task_of(model.saved.model.task)  # type: ignore[union-attr]
    source = Source(DataSet.open(folder / "data"), RegionStore.open(folder / "store"), model.words)
    examples = task.examples(source, "train", training=False)
    rows = np.array([row])
    with torch.no_grad():
        seats = model.seats(model.saved.model)  # type: ignore[arg-type]
        scores: torch.Tensor = model.saved.model(examples.batch(rows, Draw(0, 0, rows), seats).batch)[0]
    return scores


def rows_of(folder: Path, table: str) -> list[dict]:  # type: ignore[type-arg]
    found: list[dict] = DataSet.open(folder / "data").table(table, "train").to_pylist()  # type: ignore[type-arg]
    return found


def test_choose_is_as_in_training(folder: Path) -> None:
    model, answers = iconotext.load(folder / "choices"), ["it is red", "it is blue", "it is green"]
    found = model.choose(folder / "0.png", "what colour is the dog", answers)
    assert sorted(answer for answer, _ in found) == sorted(answers)
    shares = [share for _, share in found]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    row = rows_of(folder, "choices")[0]
    plain = [text.replace("[0]", "") for text in (row["question"], *row["answers"])]
    wanted = trained_scores(folder, model, 0).softmax(0).tolist()
    own = dict(model.choose(folder / "0.png", plain[0], plain[1:]))
    assert [own[answer] for answer in plain[1:]] == pytest.approx(wanted, abs=1e-4)
    with pytest.raises(ConfigError, match="1 answers"):
        model.choose(folder / "0.png", "what", ["one"])


def test_ground_draws_the_box(folder: Path) -> None:
    model = iconotext.load(folder / "expressions")
    row = rows_of(folder, "expressions")[0]
    scores = trained_scores(folder, model, 0)
    found = model.ground(folder / "0.png", row["text"])
    best = int(scores.argmax())
    assert found.box == tuple(Seen.found(0).boxes[best].tolist())
    shares = scores.softmax(0) if model.saved.model.task.form == "softmax" else scores.sigmoid()  # type: ignore[union-attr]
    assert found.score == pytest.approx(float(shares[best]), abs=1e-4)
    assert found.picture.size == (256, 192)
    changed = np.argwhere((np.asarray(found.picture) != (0, 0, 0)).any(2))
    assert changed[:, 1].min() >= found.box[0] - 40
    assert len(changed)
    with pytest.raises(DataError, match="finds nothing"):
        model.ground(folder / "200.png", "a dog")


def test_phrases_are_found_in_one_pass(folder: Path) -> None:
    model, row = iconotext.load(folder / "grounding"), rows_of(folder, "phrases")[0]
    (one, first), (two, second) = row["spans"]
    text = row["text"]
    asked = f"{text[:one]}[{text[one:first]}]{text[first:two]}[{text[two:second]}]{text[second:]}"
    found, scores = model.phrases(folder / "0.png", asked), trained_scores(folder, model, 0)
    assert found.phrases == (text[one:first], text[two:second])
    assert found.boxes == tuple(tuple(Seen.found(0).boxes[best].tolist()) for best in scores.argmax(1))
    assert found.scores == pytest.approx(scores.softmax(-1).max(-1).values.tolist(), abs=1e-4)
    assert found.picture.size == (256, 192)
    with pytest.raises(DataError, match=r"phrases: the detector .* finds nothing"):
        model.phrases(folder / "200.png", "[a dog]")
    with pytest.raises(DataError, match="no phrase in brackets"):
        model.phrases(folder / "0.png", "a dog")


def test_compare_tells_left_from_right(folder: Path) -> None:
    model, text = iconotext.load(folder / "statements"), rows_of(folder, "statements")[0]["text"]
    true = model.compare(folder / "0.png", folder / "1.png", text)
    assert true == pytest.approx(float(trained_scores(folder, model, 0).softmax(0)[1]), abs=1e-4)
    assert true != pytest.approx(model.compare(folder / "1.png", folder / "0.png", text), abs=1e-5)


def test_rank_takes_products_without_picture_or_title(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, row = iconotext.load(folder / "relevance"), rows_of(folder, "queries")[0]
    for name in row["image_ids"][:10]:
        number = int(name.removeprefix("train-"))
        Image.new("RGB", (256, 192), (number, 0, 0)).save(folder / f"{number}.png")
    pictures = [folder / f"{name.removeprefix('train-')}.png" for name in row["image_ids"][:10]]
    products = [Product(picture, title) for picture, title in zip([*pictures, None, None], row["titles"])]
    found = model.rank(row["query"], products)
    wanted = trained_scores(folder, model, 0)
    assert [number for number, _ in found] == wanted.argsort(descending=True).tolist()
    assert dict(found)[0] == pytest.approx(float(wanted[0]), abs=1e-4)
    monkeypatch.setattr(use, "PRODUCTS", 5)
    assert dict(model.rank(row["query"], products)) == pytest.approx(dict(found), abs=1e-4)
    assert len(model.rank("red dog", [folder / "0.png", Image.new("RGB", (8, 8))])) == 2
    assert len(model.rank("red dog", [Product(title="a red dog")])) == 1


def test_captions_are_those_of_evaluation(folder: Path) -> None:
    model, how = iconotext.load(folder / "captions"), Search(beams=3)
    found = model.caption(folder / "0.png", how)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    source = Source(DataSet.open(folder / "data"), RegionStore.open(folder / "store"), model.words)
    tuned = model.saved.model
    assert isinstance(tuned, TaskModel)
    examples = task_of(tuned.task).examples(source, "train", training=False)
    ((_, said),) = examples.ask(tuned, np.array([0]), model.seats(tuned), "fp32", search=how)
    assert (said["predicted"][0], said["score"][0]) == (found[0][0], pytest.approx(found[0][1], abs=1e-3))
    assert model.caption(folder / "200.png", how), "a picture in which nothing is found is captioned all the same"
    for run in ("uniter", "choices"):
        with pytest.raises(MissingPiece, match="iconotext finetune captions"):
            iconotext.load(folder / run).caption(folder / "0.png")


def test_what_a_model_cannot_do_is_said_with_the_command_that_helps(folder: Path) -> None:
    picture = folder / "0.png"
    calls = {
        "choices": lambda model: model.choose(picture, "what", ["a", "b"]),
        "expressions": lambda model: model.ground(picture, "a dog"),
        "grounding": lambda model: model.phrases(picture, "[a dog]"),
        "statements": lambda model: model.compare(picture, picture, "a dog"),
        "relevance": lambda model: model.rank("a dog", [picture]),
    }
    for task, attempt in calls.items():
        for run in ("uniter", "choices" if task != "choices" else "statements"):
            with pytest.raises(MissingPiece, match=f"iconotext finetune {task} --from .*{run}"):
                attempt(iconotext.load(folder / run))


def test_on_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left, right, out = str(folder / "0.png"), str(folder / "1.png"), str(tmp_path / "out" / "{}.png")
    lines = {
        "choose": [str(folder / "choices"), left, "what", "--answers", "red", "blue"],
        "ground": [str(folder / "expressions"), left, "the red dog"],
        "phrases": [str(folder / "grounding"), left, "[a red dog] and [a 猫]"],
        "compare": [str(folder / "statements"), left, right, "both pictures show a dog"],
        "caption": [str(folder / "captions"), left, "--beams", "2"],
    }
    found = {}
    for verb, arguments in lines.items():
        assert call(["use", verb, *arguments, "--out", out.format(verb), "--json"]) == 0
        found[verb] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert Image.open(out.format(verb)).width >= 256
    assert {row["answer"] for row in found["choose"]} == {"red", "blue"}
    assert len(found["ground"][0]["box"]) == 4
    assert [row["phrase"] for row in found["phrases"]] == ["a red dog", "a 猫"]
    assert 0 <= found["compare"][0]["probability of truth"] <= 1
    assert found["caption"][0]["log probability"] < 0
    assert call(["use", "choose", *lines["choose"]]) == 0
    assert "share" in capsys.readouterr().out
    assert call(["use", "ground", *lines["ground"], "--out", str(tmp_path / "x.nothing")]) == 2


def test_products_of_a_folder_or_a_table(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (0, 1):
        Image.new("RGB", (256, 192), (number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "products.csv").write_text("picture,title\n0.png,a red dog\n,a blue cat\n1.png,\n")
    (tmp_path / "wrong.csv").write_text("file\n0.png\n")
    ranked = ["use", "rank", str(folder / "relevance"), "red dog"]
    assert call([*ranked, str(tmp_path), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    out = tmp_path / "shown" / "ranked.png"
    assert call([*ranked, str(tmp_path / "products.csv"), "--out", str(out), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["place"] for row in rows] == [1, 2, 3]
    assert {row["title"] for row in rows} == {"a red dog", "a blue cat", ""}
    assert Image.open(out).width == 3 * (224 + 8) + 8
    assert call([*ranked, str(tmp_path / "wrong.csv")]) == 2
    assert "it needs `picture`, `title` or both" in capsys.readouterr().err
    assert call([*ranked, str(tmp_path / "none.csv")]) == 2
