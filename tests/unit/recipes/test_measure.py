"""What is measured of models that lack a head: the rest, and a word about what is left out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from toy_data import FEATURES, PRINT, save_pretrained

from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter
from iconotext.data.words import Words
from iconotext.recipes.asking import without_labels
from iconotext.recipes.measure import BARS, LEFT_OUT, MeasureOptions, run
from iconotext.systems import SYSTEMS
from iconotext.world.write import Plan, Size, write_world

MASKED = {key for key in BARS if key.startswith("masked")}
JUDGED = {"itm_random", "itm_colour", "itm_object", "itm_count", "itm_left_right"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little world with regions of noise."""
    folder = tmp_path_factory.mktemp("measure")
    plan = Plan(Size(8, {"train": 4, "test": 8}), 0, ("en",), 0.0)
    writer = DataSetWriter(folder / "world", "world", {}, ["en"])
    list(write_world(writer, plan, 1))
    data, rng = writer.finish(), np.random.default_rng(0)
    regions = StoreWriter(folder / "store", dataclasses.replace(PRINT, classes=0, attributes=0), (), ())
    one, none = np.ones(2, np.float32), np.full(2, -1, np.int32)
    box, nothing = np.array([[0, 0, 9, 9], [9, 9, 90, 90]], np.float32), np.zeros((2, 0), np.float16)
    features = rng.standard_normal((len(data.image_ids("test")), 2, FEATURES)).astype(np.float16)
    images = zip(data.image_ids("test"), features)
    regions.write_shard(0, [ImageRegions(name, (96, 96), box, one, f, nothing, none, 0 * one) for name, f in images])
    regions.finish()
    return folder


@pytest.mark.parametrize(
    ("system", "expected", "left"),
    [
        ("uniter", set(BARS), ()),
        ("vlp", MASKED, LEFT_OUT[1:2]),
        ("bert", MASKED, LEFT_OUT[1:2]),
        ("unimo", set(BARS) - JUDGED, LEFT_OUT[2:]),
        ("dual_encoder", set(BARS) - JUDGED - MASKED, (LEFT_OUT[0], LEFT_OUT[2])),
    ],
)
def test_what_a_model_has_no_head_for_is_left_out_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str], system: str, expected: set[str], left: tuple[str, ...]
) -> None:
    data, store = DataSet.open(folder / "world"), RegionStore.open(folder / "store")
    words = Words.train(data.table("texts", "test", ["text"])["text"].to_pylist(), 300)
    save_pretrained(folder / system, without_labels(SYSTEMS[system].at("tiny"), store), words, store)
    path = run(MeasureOptions(folder / system, folder / "world", folder / "store", cases=20, pictures=4))
    found = json.loads(path.read_text())
    assert {claim["key"] for claim in found["claims"]} == expected
    assert found["left_out"] == list(left)
    said = capsys.readouterr().err
    assert all(text in said for text in left)
