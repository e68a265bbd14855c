from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from iconotext.core.errors import ConfigError, DataError
from iconotext.core.files import write_json
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.recipes import detector
from iconotext.recipes.detector import EvaluateDetector, Examples, Names, TrainDetector, batches, evaluate, measure, run
from iconotext.regions import Detections, weights
from iconotext.regions.network import NetworkShape
from iconotext.regions.resize import Fitted, fit

CLASSES, COLOURS = ("cat", "dog", "bird"), ("red", "blue")
BOXES = [[20.0, 20, 80, 70], [120, 90, 180, 150]]


def make_data(path: Path, named: bool = True) -> DataSet:
    """Five pictures a split with a red dog and a bird in its own colours."""
    picture = np.full((192, 256, 3), 220, np.uint8)
    picture[20:70, 20:80] = (220, 30, 30)
    picture[90:150, 120:180] = (90, 90, 20)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    writer = DataSetWriter(path, "toy", {"command": "test"}, ["en"])
    for split in ("train", "validation", "test"):
        ids = [f"{split}-{i}" for i in range(5)]
        image = [{"bytes": file.getvalue(), "path": "x.png"}] * 5
        writer.write("images", split, 0, {"image_id": ids, "image": image, "width": [256] * 5, "height": [192] * 5})
        labels = {"classes": [[1, 2]] * 5, "colours": [[0, -1]] * 5, "sizes": [["big", "big"]] * 5}
        writer.write("objects", split, 0, {"image_id": ids, "boxes": [BOXES] * 5, **labels})
    if named:
        write_json(path / "classes.json", {"classes": list(CLASSES), "colours": list(COLOURS)})
    return writer.finish()


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def shape(classes: int, attributes: int) -> NetworkShape:
        sizes = {"joint": 8, "box_width": 8, "feature": 12, "pooled": 3, "proposals": 40}
        return NetworkShape(classes, attributes, (4, 6, 8, 8), **sizes)

    monkeypatch.setattr(detector, "NetworkShape", shape)


def test_training_writes_weights_that_say_how_they_were_made(tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    options = TrainDetector(
        tmp_path / "data", tmp_path / "own.safetensors", steps=4, batch=2, evaluate_every=2, validation=2
    )
    figures = run(options)
    found = weights.load(options.out)
    assert found.classes == CLASSES
    assert found.attributes == COLOURS
    assert found.info["test"] == pytest.approx(figures)
    assert [point["step"] for point in found.info["curve"]] == [2, 4]
    assert "detector train" in found.info["command"]
    assert "--steps 4" in found.info["command"]
    assert str(tmp_path) not in json.dumps(found.info)
    assert evaluate(EvaluateDetector(tmp_path / "data", options.out))["map50"] == figures["map50"]


def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_data(tmp_path / "data")
    whole = TrainDetector(tmp_path / "data", tmp_path / "whole.safetensors", steps=6, batch=2, evaluate_every=3)
    run(whole)
    calls = []

    def stumble(*arguments: object) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 1:
            return {"map50": 0.0, "recall50": 0.0, "colour": 0.0}
        raise KeyboardInterrupt

    monkeypatch.setattr(detector, "SAVE_EVERY", 3)
    original = detector.measure
    monkeypatch.setattr(detector, "measure", stumble)
    cut = replace(whole, out=tmp_path / "cut.safetensors")
    with pytest.raises(KeyboardInterrupt):
        run(cut)
    assert not cut.out.exists()
    monkeypatch.setattr(detector, "measure", original)
    run(cut)
    assert cut.out.read_bytes() == whole.out.read_bytes()


def test_batches_depend_on_their_number_alone(tmp_path: Path) -> None:
    examples = Examples.of(make_data(tmp_path / "data"), "train")
    first = list(islice(batches(examples, 2, 7, 0), 6))
    later = list(islice(batches(examples, 2, 7, 4), 2))
    for a, b in zip(first[4:], later, strict=True):
        assert a.ids == b.ids
        assert torch.equal(a.pixels, b.pixels)
    epoch = [i for micro in first for i in micro.ids][:5]
    assert sorted(epoch) == sorted(examples.ids)
    assert first[0].truths[0].classes.tolist() == [2, 3]
    assert first[0].truths[0].attributes.tolist() == [1, 0]
    assert first[0].truths[0].boxes.tolist() == BOXES


@dataclass(frozen=True)
class Oracle:
    """Finds what is there; knows more classes than the data, in another order."""

    class_names: tuple[str, ...] = ("background", "horse", "bird", "dog", "cat")
    attribute_names: tuple[str, ...] = ("blue", "red")
    attributes: tuple[int, int] = (1, -1)
    fingerprint: None = None
    needs_boxes: bool = False

    def fit(self, picture: np.ndarray, boxes: np.ndarray | None = None) -> Fitted:
        return fit(picture, boxes)

    def detect(self, pictures: Sequence[np.ndarray]) -> list[Detections]:
        probs = np.zeros((2, 5), np.float32)
        probs[0, 3] = probs[1, 2] = 0.9
        scores, colours = np.array([0.9, 0.8], np.float32), np.array(self.attributes, np.int32)
        boxes = np.array(BOXES, np.float32)
        return [Detections(boxes, scores, np.zeros((2, 4), np.float32), probs, colours, scores) for _ in pictures]


def test_an_oracle_measures_as_one(tmp_path: Path) -> None:
    examples = Examples.of(make_data(tmp_path / "data"), "test")
    figures = measure(Oracle(), Names(CLASSES, COLOURS), examples, examples.ids)  # type: ignore[arg-type]
    assert (figures["map50"], figures["recall50"], figures["colour"], figures["pictures"]) == (1, 1, 1, 5)
    wrong = measure(Oracle(attributes=(0, 1)), Names(CLASSES, COLOURS), examples, examples.ids)  # type: ignore[arg-type]
    assert (wrong["map50"], wrong["colour"]) == (1, 0)


def test_what_cannot_be_trained_on(tmp_path: Path) -> None:
    make_data(tmp_path / "data", named=False)
    with pytest.raises(DataError, match="no objects"):
        run(TrainDetector(tmp_path / "data", tmp_path / "x.safetensors"))
    with pytest.raises(ConfigError, match=r"NAME\.safetensors"):
        run(TrainDetector(tmp_path / "data", tmp_path / "x.bin"))
