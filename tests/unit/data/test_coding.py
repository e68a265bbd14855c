from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.core.fingerprint import Fingerprint
from iconotext.core.seed import generator
from iconotext.data import store as module
from iconotext.data.coding import Quantised, Storage, TopClasses
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter

PRINT = Fingerprint("toy", "none", "pool", "none", "RGB", "all", "float16", 100, 40, 2)


def features(kind: str, count: int = 3000, width: int = 100) -> np.ndarray:
    """Features of several natures, each of its own scale and place."""
    random = generator("coding", kind)
    values = {
        "normal": random.standard_normal((count, width)),
        "rectified": np.maximum(random.standard_normal((count, width)) - 1, 0) ** 2,
        "rare": random.standard_normal((count, width)) * 10.0 ** random.integers(-2, 2, width),
        "heavy": random.standard_t(3, (count, width)),
        "constant": np.full((count, width), 0.7),
    }[kind]
    return values.astype(np.float16)


@pytest.mark.parametrize("kind", ["normal", "rectified", "rare", "heavy", "constant"])
def test_a_byte_errs_by_less_than_a_hundredth_of_a_features_deviation(kind: str) -> None:
    given = features(kind)
    coded = Quantised.of(given)
    error = coded[0 : len(given)].astype(np.float64) - given
    deviation = given.astype(np.float64).std(axis=0)
    rounding = np.spacing(np.abs(given).max(axis=0)).astype(np.float64)  # What float16 itself cannot tell.
    assert (np.sqrt(np.square(error).mean(axis=0)) <= 0.01 * deviation + 0.3 * rounding).all()
    assert np.array_equal(coded[7:9], coded[0 : len(given)][7:9])
    assert sum(column.nbytes for column in coded.columns().values()) <= 0.58 * given.nbytes


def test_few_and_no_regions() -> None:
    assert Quantised.of(features("normal")[:0])[0:0].shape == (0, 100)
    one = features("heavy")[:1]
    assert np.allclose(Quantised.of(one)[0:1].astype(np.float32), one.astype(np.float32), rtol=1e-3)


def test_the_rest_of_the_classes_keeps_its_mass() -> None:
    random = generator("classes")
    logits = 3 * random.standard_normal((50, 40))
    probs = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float16)
    kept = TopClasses.of(probs, 5)[0:50]
    best = np.sort(probs, axis=1)[:, -5:]
    assert np.array_equal(np.sort(kept, axis=1)[:, -5:], best)
    assert np.allclose(kept.sum(axis=1, dtype=np.float32), 1, atol=5e-3)
    hidden = kept.astype(np.float32)
    np.put_along_axis(hidden, np.argsort(-probs, axis=1, kind="stable")[:, :5], 0, axis=1)
    assert np.allclose(hidden.max(axis=1), hidden.sum(axis=1) / 35, atol=1e-4)


def regions(image_id: str, count: int) -> ImageRegions:
    random = generator(image_id)
    probs = random.random((count, 40))
    return ImageRegions(
        image_id,
        (640, 480),
        random.random((count, 4), np.float32),
        random.random(count, np.float32),
        random.standard_normal((count, 100)).astype(np.float16),
        (probs / probs.sum(1, keepdims=True)).astype(np.float16),
        random.integers(-1, 2, count, np.int32),
        random.random(count, np.float32),
    )


def write(path: Path, storage: Storage, rows: list[ImageRegions]) -> RegionStore:
    writer = StoreWriter(path, PRINT, [str(i) for i in range(40)], ["red", "blue"], storage)
    writer.write_shard(0, rows[:3])
    writer.write_shard(1, rows[3:])
    return writer.finish()


def test_a_store_reads_all_ways_of_keeping_alike(tmp_path: Path) -> None:
    rows = [regions(name, count) for name, count in zip("abcde", (36, 0, 10, 20, 1))]
    plain = write(tmp_path / "plain", Storage(), rows)
    small = write(tmp_path / "small", Storage("int8", 30), rows)
    assert small.fingerprint == plain.fingerprint
    ids = ["d", "a", "b", "e"]
    one, other = plain.gather(ids), small.gather(ids)
    for name in ("boxes", "scores", "attributes", "attribute_scores", "sizes", "offsets"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    for name in ("features", "class_probs"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.abs(a.astype(np.float32) - b).max() < 0.03
        assert np.array_equal(getattr(small.get("a"), name), b[20:56])
    with pytest.raises(DataError, match="keeps features"):
        StoreWriter(tmp_path / "small", PRINT, plain.class_names, plain.attribute_names)
    again = StoreWriter(tmp_path / "small", PRINT, plain.class_names, plain.attribute_names, Storage("int8", 30))
    assert again.done(0)


def test_a_torn_small_shard_is_reported(tmp_path: Path) -> None:
    write(tmp_path, Storage("int8"), [regions(name, 5) for name in "abcd"])
    file = tmp_path / "regions-00001.arrow"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.warns(RuntimeWarning, match="torn"):
        assert RegionStore.open(tmp_path).ids == ["a", "b", "c"]


def test_pages_are_let_go_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [regions(name, 30) for name in "abcd"]
    monkeypatch.setattr(module, "RESIDENT", 1)
    store = write(tmp_path, Storage(), rows)
    view = store.get("a")
    for _ in range(3):
        packed = store.gather(["b", "d"])
        assert np.array_equal(packed.features[:30], rows[1].features)
    assert np.array_equal(view.features, rows[0].features)


def test_duplicates_are_rows_of_their_own(tmp_path: Path) -> None:
    rows = [regions(name, 4) for name in "abcd"]
    write(tmp_path, Storage(), rows)
    (tmp_path / "duplicates.json").write_text('{"x": "c", "y": "gone"}', "utf-8")
    store = RegionStore.open(tmp_path)
    assert store.ids == [*"abcd", "x"]
    assert store.counts.tolist() == [4] * 5
    assert np.array_equal(store.get("x").features, rows[2].features)
    assert np.array_equal(store.gather(["x", "a"]).boxes, np.concatenate([rows[2].boxes, rows[0].boxes]))
    assert "y" not in store
    assert replace(store.get("x"), image_id="c").image_id == "c"
