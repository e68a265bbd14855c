from __future__ import annotations

import gc
import io
import json
import multiprocessing
import os
import signal
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from iconotext.core.errors import ConfigError, DataError, FingerprintError
from iconotext.core.seed import generator
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter
from iconotext.recipes import extract
from iconotext.recipes.extract import run
from iconotext.recipes.flags import ExtractOptions
from iconotext.regions import DetectorOptions, Selection, fit, open_detector, weights
from iconotext.regions.network import Network, NetworkShape
from iconotext.regions.world import WorldDetector

COUNTS = {"train": 9, "test": 4}
BROKEN = "train-4"
BOXES = np.array([[10, 20, 90, 100], [100, 50, 180, 140], [0, 0, 30, 30]], np.float32)


def encode(name: str) -> bytes:
    coarse = generator(name).integers(0, 256, (24, 32, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((256, 192), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def make_data(path: Path, prefix: str = "") -> DataSet:
    writer = DataSetWriter(path, "toy", {"command": "test", "prefix": prefix}, ["en"])
    for split, count in COUNTS.items():
        ids = [f"{split}-{i}" for i in range(count)]
        files = [b"no picture" if i == BROKEN else encode(prefix + i) for i in ids]
        columns = {"image_id": ids, "width": [256] * count, "height": [192] * count}
        writer.write("images", split, 0, columns | {"image": [{"bytes": b, "path": "x.png"} for b in files]})
        boxes = [BOXES[: i % 4].tolist() for i in range(count)]
        rest = {"classes": [[0] * len(b) for b in boxes], "colours": [[-1] * len(b) for b in boxes]}
        sizes = [["big"] * len(b) for b in boxes]
        writer.write("objects", split, 0, {"image_id": ids, "boxes": boxes, **rest, "sizes": sizes})
    return writer.finish()


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> ExtractOptions:
    """A data set of 13 pictures, one of them broken, and a tiny detector that has learned nothing."""
    folder = tmp_path_factory.mktemp("extract")
    make_data(folder / "data")
    torch.manual_seed(1)
    shape = NetworkShape(3, 2, widths=(4, 6, 8, 8), joint=8, box_width=8, feature=12, pooled=3, proposals=40)
    network = Network(shape)
    torch.nn.init.normal_(network.head.classes.weight, std=1.0)
    weights.save(folder / "tiny.safetensors", network, ("cat", "dog", "猫"), ("red", "blue"), {})
    return ExtractOptions(folder / "data", Path(), weights=folder / "tiny.safetensors", batch=3, workers=2)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "SHARD", 4)


def files_of(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(store.iterdir())}


@pytest.mark.parametrize("name", ["world", "grid", "patches", "boxes"])
def test_the_store_holds_what_the_detector_says(name: str, options: ExtractOptions, tmp_path: Path) -> None:
    store = run(replace(options, store=tmp_path / "store", detector=name, min=6, max=9))
    data = DataSet.open(options.data)
    detector = open_detector(name, DetectorOptions(weights=options.weights, selection=Selection(6, 9)))
    assert store.fingerprint == detector.fingerprint
    assert store.class_names == list(detector.class_names)
    assert store.attribute_names == list(detector.attribute_names)
    ids = [i for split in data.splits for i in data.image_ids(split) if i != BROKEN]
    assert sorted(store.ids) == sorted(ids)
    truth = {r["image_id"]: r["boxes"] for s in COUNTS for r in data.table("objects", s).to_pylist()}
    for image_id in ids:
        given = np.array(truth[image_id], np.float32).reshape(-1, 4)
        expected = detector.detect([fit(np.asarray(data.image(image_id)), given)])[0]
        found = store.get(image_id)
        assert found.size == (256, 192)
        for column in ("boxes", "scores", "attributes", "attribute_scores"):
            assert np.array_equal(getattr(found, column), getattr(expected, column))
        assert np.array_equal(found.features, expected.features.astype(np.float16))
        assert np.array_equal(found.class_probs, expected.class_probs.astype(np.float16))
        assert len(found.boxes) == len(given) if name == "boxes" else True


def test_a_broken_picture_is_set_aside_with_its_reason(options: ExtractOptions, tmp_path: Path) -> None:
    store = run(replace(options, store=tmp_path / "store"))
    lines = [json.loads(line) for line in (store.path / "quarantine.jsonl").read_text("utf-8").splitlines()]
    assert [line["image_id"] for line in lines] == [BROKEN]
    assert "not a picture" in lines[0]["reason"]
    assert len(store) == sum(COUNTS.values()) - 1


def test_batches_and_threads_do_not_change_a_byte(options: ExtractOptions, tmp_path: Path) -> None:
    run(replace(options, store=tmp_path / "a"))
    for number, (batch, workers) in enumerate([(1, 1), (4, 3), (100, 1)]):
        run(replace(options, store=tmp_path / f"b{number}", batch=batch, workers=workers))
        assert files_of(tmp_path / f"b{number}") == files_of(tmp_path / "a")


@pytest.mark.parametrize("pictures", [0, 3, 5, 11])
def test_an_interrupted_run_goes_on(
    pictures: int, options: ExtractOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(replace(options, store=tmp_path / "whole"))
    original = WorldDetector.detect
    seen = []

    def stumble(self: WorldDetector, batch: Sequence[object]) -> object:
        seen.extend(batch)
        if len(seen) > pictures:
            raise KeyboardInterrupt
        return original(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(WorldDetector, "detect", stumble)
    with pytest.raises(KeyboardInterrupt):
        run(replace(options, store=tmp_path / "cut", workers=1))
    done, again = len(seen), []
    monkeypatch.setattr(WorldDetector, "detect", lambda self, batch: again.extend(batch) or original(self, batch))
    assert len(list((tmp_path / "cut").glob("*.arrow"))) < 4
    run(replace(options, store=tmp_path / "cut"))
    assert files_of(tmp_path / "cut") == files_of(tmp_path / "whole")
    assert done + len(again) <= sum(COUNTS.values()) + options.batch, (
        "no more than the batch that was stopped is redone"
    )


def test_killed_at_any_moment(options: ExtractOptions, tmp_path: Path) -> None:
    begin = time.monotonic()
    run(replace(options, store=tmp_path / "whole"))
    needed = time.monotonic() - begin
    for trial in range(6):
        mine = replace(options, store=tmp_path / f"killed{trial}")
        child = multiprocessing.get_context("fork").Process(target=run, args=(mine,))
        child.start()
        time.sleep(needed * (trial + 0.5) / 6)
        if child.pid is not None and child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
        child.join()
        run(mine)
        assert files_of(mine.store) == files_of(tmp_path / "whole")


def test_finished_shards_are_skipped(options: ExtractOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(options, store=tmp_path / "store")
    run(mine)
    before = files_of(mine.store)
    (mine.store / "regions-00002.arrow").unlink()
    monkeypatch.setattr(WorldDetector, "detect", lambda self, batch: pytest.fail("a finished shard was made again"))
    with pytest.raises(pytest.fail.Exception):
        run(mine)
    monkeypatch.undo()
    monkeypatch.setattr(extract, "SHARD", 4)
    run(mine)
    assert files_of(mine.store) == before
    monkeypatch.setattr(WorldDetector, "detect", lambda self, batch: pytest.fail("a finished store was made again"))
    assert len(run(mine)) == len(RegionStore.open(mine.store))


def test_a_store_made_in_another_way_is_refused(options: ExtractOptions, tmp_path: Path) -> None:
    mine = replace(options, store=tmp_path / "store")
    run(mine)
    before = files_of(mine.store)
    for other in (replace(mine, detector="grid"), replace(mine, max=20), replace(mine, threshold=0.5)):
        with pytest.raises(FingerprintError):
            run(other)
    make_data(tmp_path / "other", prefix="other")
    with pytest.raises(DataError, match="other data"):
        run(replace(mine, data=tmp_path / "other"))
    assert files_of(mine.store) == before


def test_boxes_need_objects(options: ExtractOptions, tmp_path: Path) -> None:
    writer = DataSetWriter(tmp_path / "plain", "toy", {"command": "test"}, ["en"])
    picture = {"bytes": encode("x"), "path": "x.png"}
    writer.write("images", "train", 0, {"image_id": ["x"], "image": [picture], "width": [256], "height": [192]})
    writer.finish()
    with pytest.raises(DataError, match="no table of objects"):
        run(replace(options, data=tmp_path / "plain", store=tmp_path / "store", detector="boxes"))
    assert len(run(replace(options, data=tmp_path / "plain", store=tmp_path / "grid", detector="grid"))) == 1


def test_options_out_of_range(options: ExtractOptions, tmp_path: Path) -> None:
    for wrong in ({"batch": 0}, {"workers": -1}, {"min": 0}, {"min": 20, "max": 10}):
        with pytest.raises(ConfigError):
            run(replace(options, store=tmp_path / "store", **wrong))  # type: ignore[arg-type]


def test_a_shard_that_is_written_leaves_the_memory(
    options: ExtractOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With all shards kept, a million pictures would fill any memory.
    written: list[list[weakref.ref[ImageRegions]]] = []
    write = StoreWriter.write_shard

    def counted(self: StoreWriter, index: int, rows: Sequence[ImageRegions]) -> None:
        gc.collect()
        kept = sum(row() is not None for earlier in written[:-1] for row in earlier)
        assert not kept, f"{kept} rows of earlier shards at shard {index}"
        written.append([weakref.ref(row) for row in rows])
        write(self, index, rows)

    monkeypatch.setattr(StoreWriter, "write_shard", counted)
    assert len(run(replace(options, store=tmp_path / "store", detector="grid"))) == sum(COUNTS.values()) - 1
    assert len(written) == 4
