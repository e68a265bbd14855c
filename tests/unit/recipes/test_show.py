"""Pictures with their regions drawn, and a page on a store."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iconotext.core.errors import DataError
from iconotext.core.fingerprint import Fingerprint
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter
from iconotext.explain.regions.figures import Spread, covered, measure
from iconotext.recipes import show, stats
from iconotext.recipes.show import ShowOptions, file_name
from iconotext.recipes.stats import StatsOptions

PRINT = Fingerprint("toy", "none", "pool", "none", "RGB", "all", "float16", 4, 4, 2)
CLASSES, ATTRIBUTES = ("background", "cat", "<b>dog</b>", "猫"), ("red", "blue")
HALVES = np.array([[0, 0, 50, 80], [50, 0, 100, 80]], np.float32)


def regions(image_id: str, boxes: np.ndarray, classes: list[int], scores: list[float], seed: int) -> ImageRegions:
    count = len(boxes)
    features = np.random.default_rng(seed).random((count, 4)).astype(np.float16)
    features[:, 3] = 0
    attributes = np.array([0, -1, 1, 1][:count], np.int32)
    probs = np.eye(4, dtype=np.float16)[classes].reshape(count, 4)
    scores_, sure = np.array(scores, np.float32), np.ones(count, np.float32)
    return ImageRegions(image_id, (100, 80), boxes, scores_, features, probs, attributes, sure)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    ids = ["a/b", "../c", "plain", "none"]
    out = io.BytesIO()
    Image.new("RGB", (100, 80), "white").save(out, "PNG")
    writer = DataSetWriter(tmp_path_factory.mktemp("shown") / "data", "toy", {"command": "test"}, ["en"])
    sizes = {"width": [100] * 4, "height": [80] * 4}
    writer.write(
        "images", "train", 0, {"image_id": ids, "image": [{"bytes": out.getvalue(), "path": "x.png"}] * 4, **sizes}
    )
    return writer.finish()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RegionStore:
    writer = StoreWriter(tmp_path_factory.mktemp("shown") / "store", PRINT, CLASSES, ATTRIBUTES)
    quarter = np.array([[0, 0, 50, 40], [0, 0, 50, 40.5], [25, 20, 75, 60]], np.float32)
    rows = [regions("a/b", HALVES, [1, 2], [0.9, 0.4], 0), regions("../c", HALVES, [1, 2], [0.9, 0.4], 0)]
    rows += [
        regions("plain", quarter, [3, 3, 1], [0.8, 0.7, 0.2], 1),
        regions("none", np.zeros((0, 4), np.float32), [], [], 2),
    ]
    writer.quarantine("broken", "no picture")
    writer.write_shard(0, rows)
    return writer.finish()


def test_pictures_are_drawn_with_their_regions(data: DataSet, store: RegionStore, tmp_path: Path) -> None:
    files = show.run(ShowOptions(data.path, store.path, ids=("plain", "../c"), out=tmp_path / "out"))
    assert [file.parent for file in files] == [tmp_path / "out"] * 2
    assert files[0].name == "plain.png"
    drawn = np.asarray(Image.open(files[1]))
    assert drawn.shape == (80, 100, 3)
    assert (drawn[40:80, 49] != 255).any(axis=-1).all()
    assert (drawn[60, 5:45] == 255).all()
    fewer = show.run(ShowOptions(data.path, store.path, ids=("../c",), least=0.5, out=tmp_path / "fewer"))
    assert (np.asarray(Image.open(fewer[0]))[40:78, 52:98] == 255).all()


def test_the_first_pictures_where_none_are_named(data: DataSet, store: RegionStore, tmp_path: Path) -> None:
    assert len(show.run(ShowOptions(data.path, store.path, out=tmp_path))) == 4
    assert len(show.run(ShowOptions(data.path, store.path, count=2, out=tmp_path / "two"))) == 2
    with pytest.raises(DataError, match="no regions of image"):
        show.run(ShowOptions(data.path, store.path, ids=("gone",), out=tmp_path))


def test_regions_of_other_pictures_are_refused(data: DataSet, tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "other", PRINT, CLASSES, ATTRIBUTES)
    found = regions("plain", HALVES, [1, 2], [0.9, 0.4], 0)
    writer.write_shard(0, [ImageRegions(**{**vars(found), "size": (640, 480)})])
    writer.finish()
    with pytest.raises(DataError, match="another data set"):
        show.run(ShowOptions(data.path, tmp_path / "other", out=tmp_path / "out"))


def test_ids_become_names_of_files_that_stay_apart() -> None:
    assert file_name("plain-1.x") == "plain-1.x"
    names = {file_name(i) for i in ("a/b", "a_b", "a\\b", "../c", "..", "猫")}
    assert len(names) == 6
    assert not any("/" in name or name.startswith(".") for name in names)


def test_figures_of_a_store(store: RegionStore) -> None:
    found = measure(store)
    assert (found["pictures"], found["regions"], found["pictures_without_regions"]) == (4, 7, 1)
    assert found["quarantine_reasons"] == {"no picture": 1}
    assert found["classes"] == [["cat", 3], ["<b>dog</b>", 2], ["猫", 2]]
    assert found["classes_without_regions"] == []
    assert found["attributes"] == [["red", 3], ["none", 3], ["blue", 1]]
    assert found["repeated_boxes"] == 1
    assert (found["same_pictures"], found["same_groups"]) == (2, [["a/b", "../c"]])
    assert found["regions_a_picture"]["counts"] == [1, 0, 2, 1]
    assert found["score"]["mean"] == pytest.approx((2 * (0.9 + 0.4) + 0.8 + 0.7 + 0.2) / 7, abs=1e-6)
    assert found["size_share"]["high"] == pytest.approx(0.5)
    # Two pictures are covered whole, one is not at all; the two quarters of the third share a sixteenth.
    assert found["coverage"]["mean"] == pytest.approx((2 + 7 / 16) / 4, abs=0.01)
    assert found["features"]["entries_always_zero"] == 1
    values = np.concatenate([store.get(i).features.astype(np.float32) for i in store.ids])
    assert found["features"]["mean"] == pytest.approx(float(values.mean()), abs=1e-5)
    assert found["features"]["deviation"] == pytest.approx(float(values.std()), abs=1e-5)
    json.dumps(found)


def test_whole_pictures_are_counted_apart(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "store", PRINT, CLASSES, ATTRIBUTES)
    boxes = np.array([[0, 0, 50, 80], [0, 0, 100, 80]], np.float32)
    writer.write_shard(0, [regions("x", boxes, [1, 2], [0.9, 0.0], 0)])
    found = measure(writer.finish())
    assert (found["regions"], found["whole_pictures"]) == (2, 1)
    assert found["classes"] == [["cat", 1]]
    assert found["coverage"]["mean"] == 0.5
    assert found["score"]["low"] == pytest.approx(0.9)


def test_coverage_is_that_of_the_union() -> None:
    assert covered(np.zeros((0, 4), np.float32)).mean() == 0
    assert covered(np.array([[0, 0, 0.5, 1], [0.25, 0, 0.75, 1]], np.float32)).mean() == 0.75


def test_whole_numbers_have_a_bin_each() -> None:
    spread = Spread.of(np.array([10, 10, 12]), whole=True)
    assert (spread.counts, spread.low, spread.high) == ([2, 0, 1], 10.0, 12.0)
    many = Spread.of(np.arange(1000), whole=True)
    assert sum(many.counts) == 1000
    assert len(many.counts) <= 41
    assert Spread.of(np.zeros(0)).counts == [0]


def test_the_page_holds_itself_together(store: RegionStore, tmp_path: Path) -> None:
    file = stats.run(StatsOptions(store.path, out=tmp_path / "page"))
    page = file.read_text("utf-8")
    assert "<b>dog</b>" not in page
    assert "&lt;b&gt;dog" in page
    assert page.count("<svg") == 4
    assert "src=" not in page
    assert "no picture" in page
    figures = json.loads((tmp_path / "page" / "report.json").read_text("utf-8"))
    assert figures["regions"] == 7
    default = stats.run(StatsOptions(store.path))
    assert default.parent.name == "store-stats"


def test_a_store_without_labels_or_regions_has_a_page(tmp_path: Path) -> None:
    plain = Fingerprint("grid", "none", "pool", "none", "RGB", "grid 1x1", "float16", 2, 0, 0)
    StoreWriter(tmp_path / "store", plain, (), ()).write_shard(0, [])
    StoreWriter(tmp_path / "store", plain, (), ()).finish()
    page = stats.run(StatsOptions(tmp_path / "store")).read_text("utf-8")
    assert "Classes" not in page
    assert "0 pictures" in page
