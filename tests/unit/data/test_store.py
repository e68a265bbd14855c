from __future__ import annotations

import json
import pickle
import warnings
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from iconotext.core.errors import DataError, FingerprintError
from iconotext.core.fingerprint import Fingerprint
from iconotext.core.seed import generator
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter

PRINT = Fingerprint("toy", "none", "pool", "none", "RGB", "all", "float16", 5, 3, 2)
NAMES = (["background", "cat", "dog"], ["red", "blue"])
ROWS = ("boxes", "scores", "features", "class_probs", "attributes", "attribute_scores")


def regions(image_id: str, count: int, width: int = 5, classes: int = 3) -> ImageRegions:
    random = generator(image_id)
    return ImageRegions(
        image_id,
        (640, 480),
        random.random((count, 4), np.float32),
        random.random(count, np.float32),
        random.random((count, width)).astype(np.float16),
        random.random((count, classes)).astype(np.float16),
        random.integers(-1, 2, count, np.int32),
        random.random(count, np.float32),
    )


SHARDS = [[regions("a", 3), regions("b", 0)], [], [regions("c", 36), regions("图", 1), regions("e", 10)]]


def write(path: Path, shards: list[list[ImageRegions]] = SHARDS) -> RegionStore:
    writer = StoreWriter(path, PRINT, *NAMES)
    for index, rows in enumerate(shards):
        writer.write_shard(index, rows)
    return writer.finish()


def same(one: ImageRegions, other: ImageRegions) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def test_what_was_written_is_read_without_a_copy(tmp_path: Path) -> None:
    store = write(tmp_path)
    assert store.ids == ["a", "b", "c", "图", "e"]
    assert store.counts.tolist() == [3, 0, 36, 1, 10]
    assert (len(store), store.feature_dim, store.class_count, store.problems) == (5, 5, 3, [])
    assert (store.fingerprint, store.class_names, store.attribute_names) == (PRINT, *NAMES)
    assert "图" in store
    assert "x" not in store
    for row in (row for rows in SHARDS for row in rows):
        got = store.get(row.image_id)
        assert same(row, got)
        assert not got.features.flags.owndata
        assert not got.features.flags.writeable
        assert got.features.dtype == np.float16


def test_gather_packs_any_ids_in_the_order_asked(tmp_path: Path) -> None:
    store = write(tmp_path)
    wanted = ["e", "a", "b", "e", "图"]
    packed = store.gather(wanted)
    assert packed.offsets.tolist() == [0, 10, 13, 13, 23, 24]
    assert packed.sizes.tolist() == [[640, 480]] * 5
    for index, image_id in enumerate(wanted):
        part, row = slice(*packed.offsets[index : index + 2]), store.get(image_id)
        assert all(np.array_equal(getattr(packed, name)[part], getattr(row, name)) for name in ROWS)
    packed.features[:] = 0  # The arrays are the caller's; the store stays as it is.
    assert store.get("a").features.any()
    nothing = store.gather([])
    assert (nothing.features.shape, nothing.class_probs.shape, nothing.offsets.tolist()) == ((0, 5), (0, 3), [0])


def test_an_unknown_image_is_named(tmp_path: Path) -> None:
    store = write(tmp_path)
    for read in (lambda: store.get("x"), lambda: store.gather(["a", "x"])):
        with pytest.raises(DataError, match=r"no regions of image 'x'.*iconotext extract.*iconotext import-features"):
            read()


def test_without_class_probabilities_the_column_is_absent(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, replace(PRINT, classes=0), [], [])
    writer.write_shard(0, [regions("a", 3, classes=0)])
    store = writer.finish()
    assert "class_probs" not in pa.ipc.open_file(tmp_path / "regions-00000.arrow").schema.names
    assert store.get("a").class_probs.shape == store.gather(["a"]).class_probs.shape == (3, 0)


def test_any_reader_of_arrow_reads_a_shard(tmp_path: Path) -> None:
    write(tmp_path)
    reader = pa.ipc.open_file(tmp_path / "regions-00002.arrow")
    assert reader.num_record_batches == 1
    table = reader.read_all()
    assert table.schema.field("features").type == pa.list_(pa.list_(pa.float16(), 5))
    assert table.column("image_id").to_pylist() == ["c", "图", "e"]
    assert len(table.column("boxes")[0].as_py()) == 36


@pytest.mark.parametrize("harm", ["cut", "emptied", "zeroed", "deleted", "other shape"])
def test_a_torn_or_missing_shard_loses_only_its_rows(tmp_path: Path, harm: str) -> None:
    write(tmp_path)
    shard = tmp_path / "regions-00002.arrow"
    data = shard.read_bytes()
    shard.write_bytes({"cut": data[: len(data) // 2], "zeroed": b"\0" * len(data)}.get(harm, b""))
    if harm == "deleted":
        shard.unlink()
    if harm == "other shape":
        writer = StoreWriter(tmp_path / "other", replace(PRINT, feature_dim=6), *NAMES)
        writer.write_shard(2, [regions("c", 2, width=6)])
        (tmp_path / "other" / shard.name).replace(shard)
    with pytest.warns(RuntimeWarning, match=r"regions-00002\.arrow: .*3 rows are left out"):
        store = RegionStore.open(tmp_path)
    assert store.ids == ["a", "b"]
    assert len(store.problems) == 1
    assert same(store.get("a"), SHARDS[0][0])
    writer = StoreWriter(tmp_path, PRINT, *NAMES)
    assert writer.done_ids() == {"a", "b"}
    assert [writer.done(index) for index in range(3)] == [True, True, False]
    writer.write_shard(2, SHARDS[2])
    assert writer.finish().problems == []
    assert shard.read_bytes() == data


def test_an_unfinished_store_says_so(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, PRINT, *NAMES)
    writer.write_shard(0, SHARDS[0])
    with pytest.warns(RuntimeWarning, match="is not finished"):
        assert RegionStore.open(tmp_path).ids == ["a", "b"]


def test_a_run_that_goes_on_ends_with_the_same_bytes(tmp_path: Path) -> None:
    def run(folder: Path, stop_after: int) -> None:
        writer = StoreWriter(folder, PRINT, *NAMES)
        for index, rows in enumerate(SHARDS[:stop_after]):
            if not writer.done(index):
                writer.quarantine(f"bad {index}", "corrupt")
                writer.write_shard(index, rows)
        if stop_after == len(SHARDS):
            writer.finish()

    run(tmp_path / "once", 3)
    run(tmp_path / "twice", 2)
    (tmp_path / "twice" / ".regions-00002.arrow.part").write_bytes(b"half")  # What a kill leaves.
    (tmp_path / "twice" / ".quarantine-00002.jsonl").write_text('{"image_id": "bad 2", "reason": "corrupt"}\n')
    assert StoreWriter(tmp_path / "twice", PRINT, *NAMES).done_ids() == {"a", "b", "bad 0", "bad 1"}
    run(tmp_path / "twice", 3)
    assert contents(tmp_path / "once") == contents(tmp_path / "twice")
    done = StoreWriter(tmp_path / "once", PRINT, *NAMES).done_ids()
    assert done == {"a", "b", "c", "图", "e", "bad 0", "bad 1", "bad 2"}
    run(tmp_path / "once", 3)
    assert contents(tmp_path / "once") == contents(tmp_path / "twice")
    lines = (tmp_path / "once" / "quarantine.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"image_id": f"bad {i}", "reason": "corrupt"} for i in range(3)]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_store_made_otherwise_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "store")
    with pytest.raises(FingerprintError, match="layer"):
        StoreWriter(tmp_path / "store", replace(PRINT, layer="conv5"), *NAMES)
    with pytest.raises(DataError, match="other class or attribute names"):
        StoreWriter(tmp_path / "store", PRINT, ["background", "a", "b"], NAMES[1])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(DataError, match="other files"):
        StoreWriter(tmp_path / "other", PRINT, *NAMES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((3, 4), np.float16)}, "features has the shape"),
        ({"scores": np.zeros(2, np.float32)}, "scores has the shape"),
        ({"features": np.full((3, 5), np.inf, np.float16)}, "features holds a number"),
        ({"boxes": np.full((3, 4), np.nan, np.float32)}, "boxes holds a number"),
    ],
)
def test_wrong_arrays_are_refused_by_image(tmp_path: Path, change: dict[str, np.ndarray], message: str) -> None:
    writer = StoreWriter(tmp_path, PRINT, *NAMES)
    with pytest.raises(DataError, match=f"'a': {message}"):
        writer.write_shard(0, [replace(regions("a", 3), **change)])


@pytest.mark.parametrize("about", ["", "{", '{"format": "x"}', '{"format": "iconotext-regions/1"}'])
def test_a_folder_that_is_no_store_is_an_error(tmp_path: Path, about: str) -> None:
    with pytest.raises(DataError, match=r"iconotext extract.*iconotext import-features"):
        RegionStore.open(tmp_path)
    (tmp_path / "store.json").write_text(about)
    with pytest.raises(DataError, match=r"store\.json"):
        RegionStore.open(tmp_path)


def test_an_image_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="twice"):
        write(tmp_path, [[regions("a", 3)], [regions("a", 3)]])


def test_another_process_maps_the_store_itself(tmp_path: Path) -> None:
    store = write(tmp_path)
    data = pickle.dumps(store)
    assert len(data) < 1000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(pickle.loads(data).get("c"), store.get("c"))
