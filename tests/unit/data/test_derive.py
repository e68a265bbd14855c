from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_data import make_data

from iconotext.data import derive as module
from iconotext.data.derive import derive
from iconotext.data.records import DataSet


def half(texts: pa.Table) -> pa.Table:
    return texts.slice(0, len(texts) // 2)


def made(data: DataSet, out: Path) -> DataSet:
    return derive(data, out, {"command": "half"}, "texts", "train", half)


@pytest.mark.parametrize("linked", [True, False])
def test_one_table_changes_and_the_rest_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError("another disk")

    if not linked:
        monkeypatch.setattr(module.os, "link", refuse)
    data = make_data(tmp_path / "data")
    before = data.table("texts", "train")
    found = made(data, tmp_path / "half")
    assert found.table("texts", "train").equals(before.slice(0, len(before) // 2))
    assert found.table("texts", "test").equals(data.table("texts", "test"))
    assert found.info["splits"]["train"]["texts"] == len(before) // 2
    assert (found.info["name"], found.info["made_by"]) == ("toy", {"command": "half"})
    assert found.fingerprint != data.fingerprint
    assert DataSet.open(data.path).table("texts", "train").equals(before)
    for shard in data.shards("vqa", "train"):
        twin = found.path / shard.relative_to(data.path)
        assert os.path.samefile(shard, twin) == linked
        assert shard.read_bytes() == twin.read_bytes()


def test_made_again_it_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    data, out = make_data(tmp_path / "data"), tmp_path / "half"
    first = made(data, out).fingerprint
    (tmp_path / ".half.part").mkdir()
    (tmp_path / ".half.part" / "left over").touch()
    assert made(data, out).fingerprint == first
    whole = derive(data, out, {"command": "whole"}, "texts", "train", lambda texts: texts)
    assert whole.table("texts", "train").num_rows == data.table("texts", "train").num_rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "half"]


def test_a_column_more_is_read(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    weigh = lambda texts: texts.append_column("weight", pa.array([0.5] * len(texts), pa.float32()))  # noqa: E731
    found = derive(data, tmp_path / "weighed", {}, "texts", "train", weigh)
    assert set(found.table("texts", "train")["weight"].to_pylist()) == {0.5}
    assert pq.read_schema(found.shards("texts", "train")[0]).field("weight").type == pa.float32()
