from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from iconotext.core.errors import DataError
from iconotext.data.records import SCHEMAS, DataSet, DataSetWriter, add_rows, fingerprint, to_table, write_table

MADE_BY = {"command": "test", "options": {"sizes": (1, 2)}, "version": "0"}


def png(colour: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 3), (colour, 0, 0)).save(out, "PNG")
    return out.getvalue()


def images(first: int, count: int) -> dict[str, list[Any]]:
    numbers = range(first, first + count)
    return {
        "image_id": [f"i{n}" for n in numbers],
        "image": [{"bytes": png(n), "path": f"i{n}.png"} for n in numbers],
        "width": [4] * count,
        "height": [3] * count,
    }


def texts(*ids: str) -> dict[str, list[Any]]:
    count = len(ids)
    return {
        "text_id": [f"{i}#0" for i in ids],
        "image_id": list(ids),
        "text": ["一只猫"] * count,
        "language": ["zh"] * count,
        "kind": [""] * count,
        "matched": [True] * count,
    }


def begin(path: Path, **changes: object) -> DataSetWriter:
    return DataSetWriter(path, "Toy", MADE_BY | changes, ["zh"])


def write(path: Path) -> DataSet:
    writer = begin(path)
    writer.write("images", "train", 0, images(0, 70))
    writer.write("images", "train", 1, images(70, 3))
    writer.write("images", "test", 0, images(90, 2))
    writer.write("texts", "train", 0, texts("i0", "i72"))
    return writer.finish()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    assert data.splits == ("train", "test")
    assert data.tables == ("images", "texts")
    assert data.info["splits"] == {"train": {"images": 73, "texts": 2}, "test": {"images": 2}}
    assert (data.info["name"], data.info["made_by"]["options"]) == ("Toy", {"sizes": [1, 2]})
    assert data.image_ids("train") == [f"i{n}" for n in range(73)]
    assert data.image_ids("test") == ["i90", "i91"]
    assert data.table("texts", "train").to_pylist()[1]["image_id"] == "i72"
    assert data.table("texts", "train", ["text"]).column_names == ["text"]
    assert data.table("texts", "test").num_rows == 0
    assert data.table("texts", "test").schema == SCHEMAS["texts"]
    for number in (0, 31, 32, 69, 70, 72, 90):
        assert data.image_bytes(f"i{number}") == png(number)
        assert data.image(f"i{number}").getpixel((0, 0)) == (number, 0, 0)
    assert data.fingerprint == fingerprint(tmp_path / "data")


def test_the_same_data_gives_the_same_bytes_and_other_data_another_fingerprint(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other")
    assert contents(one.path) == contents(other.path)
    writer = begin(tmp_path / "third")
    writer.write("images", "train", 0, images(1, 70))
    assert writer.finish().fingerprint != one.fingerprint


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    writer = begin(tmp_path / "data")
    writer.write("images", "train", 0, images(0, 70))
    (tmp_path / "data" / "images" / ".train-00001.parquet.part").write_bytes(b"half")
    assert writer.done("images", "train", 0)
    assert not writer.done("images", "train", 1)
    with pytest.raises(DataError, match="begun but is not finished"):
        DataSet.open(tmp_path / "data")
    assert not begin(tmp_path / "data").finished
    write(tmp_path / "data")
    assert contents(tmp_path / "data") == contents(write(tmp_path / "once").path)
    assert begin(tmp_path / "data").finished
    assert begin(tmp_path / "data").finish().image_ids("test") == ["i90", "i91"]


def test_a_folder_that_was_made_otherwise_is_refused(tmp_path: Path) -> None:
    begin(tmp_path / "begun")
    write(tmp_path / "finished")
    for folder in ("begun", "finished"):
        with pytest.raises(DataError, match="made in another way"):
            begin(tmp_path / folder, options={"sizes": (1, 3)})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(DataError, match="other files"):
        begin(tmp_path / "other")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist.*iconotext world.*iconotext ingest"):
        DataSet.open(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no dataset\.json"):
        DataSet.open(tmp_path)
    data = write(tmp_path / "data")
    for ask, message in (
        (lambda: data.table("vqa", "train"), "no table 'vqa'; it has images, texts"),
        (lambda: data.table("texts", "dev"), "no split 'dev'; it has train, test"),
        (lambda: data.image("i999"), "no picture 'i999'"),
    ):
        with pytest.raises(DataError, match=message):
            ask()
    (data.path / "texts" / "train-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"train-00000\.parquet cannot be read"):
        data.table("texts", "train")
    for text, message in (("{", "is not JSON"), ('{"format": "x/9"}', "format 'x/9'")):
        (data.path / "dataset.json").write_text(text)
        with pytest.raises(DataError, match=message):
            DataSet.open(data.path)


def test_wrong_columns_are_refused(tmp_path: Path) -> None:
    for change in ({"text": [1]}, {"colour": ["red"]}):
        with pytest.raises(DataError, match="table 'texts'"):
            to_table("texts", texts("i0") | change)
    with pytest.raises(DataError, match="table 'texts' has the columns"):
        begin(tmp_path).write("texts", "train", 0, pa.table({"text": ["a"]}))


def test_shards_are_plain_parquet_with_the_note_that_makes_pictures(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    shard = data.path / "images" / "train-00000.parquet"
    assert pq.read_metadata(shard).num_row_groups == 3
    note = json.loads(pq.read_schema(shard).metadata[b"huggingface"])
    assert note["info"]["features"]["image"] == {"_type": "Image"}
    assert list(note["info"]["features"]) == SCHEMAS["images"].names
    card = (data.path / "README.md").read_text()
    assert '- config_name: images\n  data_files:\n  - split: train\n    path: "images/train-[0-9]*.parquet"' in card
    assert "| train | 73 | 2 |" in card


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "a" / "t.parquet"
    write_table(file, pa.table({"x": [1]}))
    with pytest.raises((AttributeError, TypeError)):
        write_table(file, None)  # type: ignore[arg-type]
    assert pq.read_table(file).to_pylist() == [{"x": 1}]
    assert [child.name for child in file.parent.iterdir()] == ["t.parquet"]


def test_a_data_set_goes_to_another_process(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    assert pickle.loads(pickle.dumps(data)).image_bytes("i5") == png(5)


def test_rows_of_ones_own_are_added(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    query = {"query_id": "q", "query": "a cat", "image_ids": ["i0", "lost"], "grades": [3, 0], "language": "en"}
    more = add_rows(data, "queries", "train", [query])
    again = add_rows(more, "queries", "train", [{**query, "query_id": "r", "titles": ["a", "b"]}])
    assert again.info["splits"]["train"]["queries"] == 2
    rows = again.table("queries", "train").to_pylist()
    assert [row["query_id"] for row in rows] == ["q", "r"]
    assert [row["titles"] for row in rows] == [None, ["a", "b"]]
    assert len({found.fingerprint for found in (data, more, again)}) == 3
    assert again.fingerprint == fingerprint(tmp_path / "data")
    assert again.table("texts", "train").equals(data.table("texts", "train"))
    assert (again.info["made_by"], again.info["languages"]) == (data.info["made_by"], data.info["languages"])
    for table, split, row in (
        ("nothing", "train", query),
        ("queries", "none", query),
        ("queries", "train", {"word": 1}),
    ):
        with pytest.raises(DataError, match=r"nothing|none|word"):
            add_rows(again, table, split, [row])


def test_shards_with_a_column_more_are_read_together(tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    table = data.table("texts", "train")
    write_table(tmp_path / "data" / "texts" / "train-00001.parquet", table.append_column("swapped", [["", "x"]]))
    assert data.table("texts", "train")["swapped"].to_pylist() == [None, None, "", "x"]
