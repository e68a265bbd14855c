from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import feature_files as samples
import numpy as np
import pyarrow.parquet as pq
import pytest

from iconotext.core.errors import ConfigError, DataError, FingerprintError
from iconotext.data.store import RegionStore
from iconotext.recipes.import_features import ImportOptions, import_regions, run


def write_tsv(file: Path, count: int) -> Path:
    lines = [samples.tsv_line(f"COCO_val2014_{number:012d}", 1 + number % 3) for number in range(count)]
    lines[5] = lines[5].replace("640", "0")
    file.write_text("".join(lines), "utf-8")
    return file


@pytest.fixture
def options(tmp_path: Path) -> ImportOptions:
    return ImportOptions(write_tsv(tmp_path / "x.tsv", 40), tmp_path / "store", shard=7)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_store_is_opened_and_read(options: ImportOptions, capsys: pytest.CaptureFixture[str]) -> None:
    store = import_regions(options)
    opened = RegionStore.open(options.store)
    assert opened.ids == store.ids
    assert len(opened) == 39
    row = opened.get("COCO_val2014_000000000007")
    np.testing.assert_array_equal(row.features, samples.array(2, samples.WIDTH).astype(np.float16))
    assert (row.size, row.boxes.shape, opened.problems) == ((640, 480), (2, 4), [])
    assert opened.fingerprint.detector == "imported butd_tsv"
    assert "39 images went in" in capsys.readouterr().err
    assert "0 x 480 pixels" in (options.store / "quarantine.jsonl").read_text("utf-8")


def test_again_it_changes_nothing_and_another_way_is_refused(options: ImportOptions) -> None:
    import_regions(options)
    before = content(options.store)
    import_regions(options)
    assert content(options.store) == before
    with pytest.raises(DataError, match="another import"):
        import_regions(replace(options, shard=8))
    with pytest.raises(DataError, match="another import"):
        import_regions(replace(options, rename=("^COCO_", "")))
    with pytest.raises(FingerprintError):
        import_regions(replace(options, detector="other"))


def test_strict_stops_and_leaves_what_can_be_gone_on_with(options: ImportOptions) -> None:
    with pytest.raises(DataError, match=r"x\.tsv.*COCO_val2014_000000000005.*0 x 480 pixels"):
        import_regions(replace(options, strict=True))
    assert len(import_regions(options)) == 39


def test_killed_in_the_middle_it_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    source = write_tsv(tmp_path / "x.tsv", 300)
    whole = content(import_regions(ImportOptions(source, tmp_path / "whole", shard=7)).path)
    command = [sys.executable, "-m", "iconotext", "import-features", str(source), str(tmp_path / "cut"), "--shard", "7"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "cut" / "regions-00008.arrow").exists():
        assert worker.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert not (tmp_path / "cut" / "quarantine.jsonl").exists()
    import_regions(ImportOptions(source, tmp_path / "cut", shard=7))
    assert content(tmp_path / "cut") == whole


def test_ids_and_names_and_the_fingerprint(tmp_path: Path) -> None:
    source = samples.write_uniter(tmp_path / "feat_numbb2", {"a_07.npz": samples.uniter(3, [0.9, 0.5, 0.2])})
    names = tmp_path / "objects_vocab.txt"
    names.write_text("cat,kitty\ndog\n")
    sizes = tmp_path / "sizes.json"
    sizes.write_text('{"a_07.npz": [200, 100]}')
    options = ImportOptions(source, tmp_path / "store", class_names=names, sizes=sizes, detector="vg", weights="abc")
    store = import_regions(replace(options, rename=(r"^a_0*(\d+)\.npz$", r"\1")))
    assert store.ids == ["7"]
    assert store.class_names == ["background", "cat", "dog"]
    assert (store.fingerprint.detector, store.fingerprint.weights, store.fingerprint.classes) == ("vg", "abc", 3)
    assert store.get("7").size == (200, 100)
    names.write_text("cat\n")
    with pytest.raises(ConfigError, match="1 names, the features have 2"):
        import_regions(replace(options, store=tmp_path / "other"))
    with pytest.raises(DataError, match="leaves nothing"):
        import_regions(replace(options, store=tmp_path / "other", class_names=None, rename=(".*", "")))
    with pytest.raises(ConfigError, match="--rename"):
        import_regions(replace(options, store=tmp_path / "other", class_names=None, rename=("(", "")))
    sizes.write_text('{"b": [1]}')
    with pytest.raises(ConfigError, match="--sizes"):
        import_regions(options)


def test_settings_out_of_range(options: ImportOptions) -> None:
    for wrong in ({"shard": 0}, {"feature_dim": -1}, {"classes": -1}, {"attributes": -1}):
        with pytest.raises(ConfigError, match="at least"):
            import_regions(replace(options, **wrong))


def test_features_of_another_width_are_left_out(options: ImportOptions) -> None:
    with pytest.raises(DataError, match=r"4 numbers.*8"):
        import_regions(replace(options, feature_dim=8))
    assert len(import_regions(replace(options, feature_dim=4))) == 39


def test_nothing_usable_makes_no_store(tmp_path: Path) -> None:
    source = tmp_path / "x.tsv"
    source.write_text(samples.tsv_line("a", image_w="0"))
    with pytest.raises(DataError, match="none of its 1 images"):
        import_regions(ImportOptions(source, tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_the_report_tells_how_many(options: ImportOptions) -> None:
    import_regions(options)
    report = json.loads((options.store / "import.json").read_text("utf-8"))
    assert (report["kept"], report["left"], report["of"]["layout"]) == (39, 1, "butd_6col")


def test_texts_of_uniter_become_a_table(tmp_path: Path) -> None:
    source = samples.write_text_database(tmp_path / "x.db", {"1": "a cat", "2": "two dogs"}, broken=("3",))
    run(ImportOptions(source, tmp_path / "out"))
    rows = pq.read_table(tmp_path / "out" / "texts.parquet").to_pylist()
    assert [(row["text_id"], row["text"], row["images"]) for row in rows] == [
        ("1", "a cat", ["1.npz"]),
        ("2", "two dogs", ["2.npz"]),
    ]
    assert rows[1]["input_ids"] == [3, 4]
    assert json.loads(rows[0]["record"])["sentence"] == "a cat"
    assert list(json.loads((tmp_path / "out" / "quarantine.json").read_text("utf-8"))) == ["3"]
    with pytest.raises(DataError, match="record '3'"):
        run(ImportOptions(source, tmp_path / "strict", strict=True))
    assert not (tmp_path / "strict" / "texts.parquet").exists()


def test_the_command_makes_a_store(options: ImportOptions) -> None:
    run(options)
    assert len(RegionStore.open(options.store)) == 39
