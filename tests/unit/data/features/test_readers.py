"""What the fixtures do not hold: damage of other kinds, and ways of saying where the features lie."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import feature_files as samples
import h5py
import msgpack
import numpy as np
import pytest
import torch

from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.data.features import FORMATS, TEXTS, Reading, Record, format_of, open_features
from iconotext.data.features import record as record_file
from iconotext.data.features.lmdb_file import Database
from iconotext.data.features.uniter_text import TextDatabase
from iconotext.data.unpickle import UnsafeData


def read(path: Path, kind: str = "auto", reading: Reading | None = None) -> list[Record]:
    with closing(open_features(path, kind, reading)) as source:
        return [entry.read() for entry in source.entries()]


def ids(path: Path, kind: str = "auto", reading: Reading | None = None) -> list[str]:
    return [record.image_id for record in read(path, kind, reading)]


def test_every_format_says_what_it_is() -> None:
    assert all(kind.about for kind in FORMATS.values())


@pytest.mark.parametrize("kind", ["auto", *FORMATS])
def test_what_is_not_there_or_something_else_is_refused(kind: str, tmp_path: Path) -> None:
    reading = Reading(boxes=tmp_path / "none.h5")
    with pytest.raises(DataError, match=r"nowhere|none\.h5"):
        open_features(tmp_path / "nowhere", kind, reading)
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("a note")
    for other in ("empty", "note.txt"):
        with pytest.raises(DataError, match=r"empty|note|none\.h5"):
            read(tmp_path / other, kind, reading)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="butd_tsv"):
        open_features(tmp_path, "tsv")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(record_file, "import_module", missing)
    with pytest.raises(MissingPiece, match=r"pip install 'iconotext\[features\]'"):
        record_file.library("lmdb")


# Tab-separated files.


def test_quoted_ids_parts_and_any_place_to_begin(tmp_path: Path) -> None:
    (tmp_path / "x.tsv.10").write_bytes(samples.tsv_line("third").encode())
    (tmp_path / "x.tsv.2").write_bytes((samples.tsv_line('"a ""b""\tc"') + "\r\n" + samples.tsv_line("d")).encode())
    assert ids(tmp_path) == ['a "b"\tc', "d", "third"]
    source = open_features(tmp_path)
    entries = list(source.entries())
    assert entries[-1].next == source.total
    for number, entry in enumerate(entries):
        assert [after.name for after in source.entries(entry.next)] == [after.name for after in entries[number + 1 :]]


def test_a_last_line_without_its_end_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x.tsv"
    file.write_text(samples.tsv_line("a") + samples.tsv_line("b").rstrip())
    assert ids(file) == ["a", "b"]


LINES = {
    "no base64": {"boxes": "a*b="},
    "no float32": {"features": samples.text(np.zeros(3, np.uint8))},
    "no number": {"num_boxes": "two"},
    "no regions": {"num_boxes": "0"},
    "no size": {"image_w": ""},
    "an empty image": {"image_h": "0"},
    "no id": {"image_id": ""},
    "too few regions said": {"num_boxes": "1"},
    "a number that is none": {"features": samples.text(np.full((2, 4), np.nan, np.float32))},
    "one column more": {"features": samples.text(samples.array(2, 4)) + "\tx"},
}


@pytest.mark.parametrize("cells", LINES.values(), ids=list(LINES))
def test_a_broken_line_spares_the_others(cells: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "x.tsv"
    file.write_text(samples.tsv_line("a") + samples.tsv_line(**({"image_id": "bad"} | cells)) + samples.tsv_line("c"))
    first, broken, last = open_features(file).entries()
    assert (first.read().image_id, last.read().image_id) == ("a", "c")
    with pytest.raises(DataError, match=r"x\.tsv"):
        broken.read()


def test_a_line_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "x.tsv"
    file.write_bytes(samples.tsv_line("a").encode() + b"\xff\xfe\t1\r\n")
    with pytest.raises(DataError, match="no UTF-8"):
        read(file)
    file.write_text("one\ttwo\n")
    with pytest.raises(DataError, match="2 columns"):
        read(file)


# LMDB.


def test_a_cut_environment_is_refused_before_it_is_read(tmp_path: Path) -> None:
    folder = samples.write_vilbert(tmp_path / "x.lmdb", [str(number) for number in range(60)])
    assert len(ids(folder)) == 60
    whole = (folder / "data.mdb").read_bytes()
    for size in (len(whole) - 4096, len(whole) // 2, 9000):
        (folder / "data.mdb").write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"data\.mdb is cut"):
            open_features(folder)
    (folder / "data.mdb").write_bytes(whole[:100])
    with pytest.raises(DataError, match="no LMDB"):
        Database(folder)


def overwrite(folder: Path, nodes: Sequence[int]) -> None:
    """Has some places of the only leaf page point behind the file: LMDB follows them, and the system ends the process."""
    file = folder / "data.mdb"
    data, page = bytearray(file.read_bytes()), 2 * 4096
    assert struct.unpack_from("<H", data, page + 10) == (2,), "a leaf"
    for node in nodes:
        struct.pack_into("<H", data, page + 16 + 2 * node, 0xFFF0)
    file.write_bytes(data)


def test_an_overwritten_page_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    names = [str(number) for number in range(5)]
    folder = samples.write_vilbert(tmp_path / "some", names)
    overwrite(folder, [0])
    with closing(open_features(folder)) as source:
        zero, one, *others = source.entries()
        for lost in (zero, one):  # The search for 1 comes by 0.
            with pytest.raises(DataError, match=r"this LMDB is damaged .record '\d'"):
                lost.read()
        assert [entry.read().image_id for entry in others] == ["2", "3", "4"]
    for listed in (True, False):
        records = {name.encode(): pickle.dumps(samples.vilbert(name)) for name in names}
        keys = {b"keys": pickle.dumps(list(records))} if listed else {}
        folder = samples.write_lmdb(tmp_path / f"all {listed}", records | keys)
        overwrite(folder, range(len(records | keys)))
        with pytest.raises(DataError, match=r"data\.mdb: this LMDB is damaged"):
            open_features(folder)


def test_a_child_that_reads_ends_with_its_source(tmp_path: Path) -> None:
    database = Database(samples.write_vilbert(tmp_path / "x", ["a"]))
    child = database._child
    assert child is not None
    assert child.poll() is None
    database.close()
    assert child.poll() is not None
    database.close()


def test_without_a_list_of_keys_all_records_are_read(tmp_path: Path) -> None:
    records = {name: pickle.dumps(samples.vilbert(name.decode())) for name in (b"b", b"a")}
    assert ids(samples.write_lmdb(tmp_path / "x", records)) == ["a", "b"]


RECORDS = {
    "no dictionary": pickle.dumps([1, 2]),
    "no features": pickle.dumps({"image_id": "a"}),
    "features as text": pickle.dumps(samples.vilbert("a") | {"features": "no base64!"}),
    "features as objects": pickle.dumps(samples.vilbert("a") | {"features": np.array([["x"], ["y"]], object)}),
    "features as a list": pickle.dumps(samples.vilbert("a") | {"features": [[1.0], [2.0]]}),
    "another number of boxes": pickle.dumps(samples.vilbert("a") | {"num_boxes": 3}),
    "boxes of three": pickle.dumps(samples.vilbert("a") | {"boxes": samples.array(2, 3)}),
    "an id that is none": pickle.dumps(samples.vilbert("a") | {"image_id": None}),
    "broken JSON": b'{"image_id": ',
    "broken msgpack": msgpack.packb({"features": 1})[:-1],
    "half an array": msgpack.packb({"features": samples.packed(samples.array(2, 4)) | {b"shape": (3, 4)}}),
    "an array of fields": msgpack.packb(
        {"features": {b"nd": True, b"kind": b"V", b"type": [["a", "<f4"]], b"data": b""}}
    ),
    "nothing": b"\x80",
}


@pytest.mark.parametrize("value", RECORDS.values(), ids=list(RECORDS))
def test_a_broken_record_is_named(value: bytes, tmp_path: Path) -> None:
    folder = samples.write_lmdb(tmp_path / "x.lmdb", {b"r7": value})
    with pytest.raises(DataError, match=r"x\.lmdb, record 'r7'"):
        read(folder, "vilbert_lmdb")


@pytest.mark.parametrize("kind", [b"O", "O"])
def test_objects_in_msgpack_are_refused(kind: bytes | str, tmp_path: Path) -> None:
    array = {b"nd": True, b"kind": kind, b"type": "|O", b"shape": (1,), b"data": pickle.dumps(["x"])}
    with pytest.raises(UnsafeData):
        read(samples.write_lmdb(tmp_path / "x.lmdb", {b"r7": msgpack.packb({"features": array})}), "vilbert_lmdb")


def test_numbers_of_boxes_may_be_smaller_where_mmf_counts_them(tmp_path: Path) -> None:
    fields = {"feature_path": "sub/a", "features": samples.array(4, 3), "bbox": samples.array(4, 4), "num_boxes": 3}
    folder = samples.write_lmdb(tmp_path / "x.lmdb", {b"sub/a": pickle.dumps(fields)})
    (record,) = read(folder)
    assert (record.image_id, record.features.shape, record.background) == ("sub/a", (4, 3), False)


# UNITER.


def test_unites_databases_are_chosen_as_the_original_does(tmp_path: Path) -> None:
    base = tmp_path / "img_db"
    sure = [0.9, 0.5, 0.2, 0.1]
    for name in ("all", "feat_numbb2", "feat_th0.2_max3_min1"):
        samples.write_uniter(base / name, {"a.npz": samples.uniter(4, sure)})
    (base / "nbb_th0.2_max3_min1.json").write_text('{"a.npz": 3}')

    def rows(reading: Reading, path: Path = base) -> int:
        return len(read(path, reading=reading)[0].features)

    assert rows(Reading(number=2)) == 2
    assert rows(Reading(threshold=0.2, max=3, min=1)) == 3
    assert rows(Reading(threshold=0.2, max=9, min=1)) == 2  # float16 has 0.2 as 0.2, which is not above it.
    assert rows(Reading(threshold=0.2, max=9, min=3), base / "all") == 3
    assert rows(Reading(), base / "feat_numbb2") == 2
    with pytest.raises(ConfigError, match="feat_numbb9"):
        read(base, reading=Reading(number=9))
    (base / "nbb_th0.2_max3_min1.json").write_text('{"b.npz": 3}')
    with pytest.raises(DataError, match="does not say how many"):
        read(base / "feat_th0.2_max3_min1")
    (base / "nbb_th0.2_max3_min1.json").unlink()
    with pytest.raises(DataError, match="nbb_th"):
        read(base / "feat_th0.2_max3_min1")


def test_a_text_database_is_no_source_of_features(tmp_path: Path) -> None:
    folder = samples.write_text_database(tmp_path / "x.db", {"1": "a cat"}, broken=("2",))
    assert format_of(folder) == TEXTS
    with pytest.raises(DataError, match="no features"):
        open_features(folder)
    with closing(TextDatabase(folder)) as texts:
        assert texts.framed(texts.get("1")) == [1, 3, 4, 2]
        with pytest.raises(DataError, match="cut short"):
            texts.get("2")
        with pytest.raises(DataError, match="no record 'x'"):
            texts.get("x")
        texts.lengths["1"] = 3
        with pytest.raises(DataError, match="2 word pieces"):
            texts.get("1")
    (folder / "meta.json").write_text("{}")
    with pytest.raises(DataError, match="CLS"):
        TextDatabase(folder)


# HDF5.


def test_the_size_is_found_in_the_two_kinds_of_boxes(tmp_path: Path) -> None:
    found = read(samples.write_butd_h5(tmp_path, {7: 1, 9: 0}))
    assert [(record.image_id, record.size) for record in found] == [("9", (640, 480)), ("7", (640, 480))]


INDICES: dict[str, object] = {
    "a list": [1],
    "text": {"a": "b"},
    "truth": {"a": True},
    "two images at one row": {1: 0, 2: 0},
}


@pytest.mark.parametrize("index", INDICES.values(), ids=list(INDICES))
def test_an_index_that_is_none(index: object, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="imgid2idx"):
        open_features(samples.write_butd_h5(tmp_path, index))


def test_half_a_pair_of_files_is_refused(tmp_path: Path) -> None:
    samples.write_butd_h5(tmp_path, {7: 1, 9: 0})
    (tmp_path / "val36_imgid2idx.pkl").write_bytes(pickle.dumps({1: 0}))
    with pytest.raises(DataError, match=r"val36\.hdf5"):
        open_features(tmp_path, "butd_h5")
    (tmp_path / "val36_imgid2idx.pkl").unlink()
    (tmp_path / "train36_imgid2idx.pkl").unlink()
    with pytest.raises(DataError, match="imgid2idx"):
        open_features(tmp_path, "butd_h5")


def test_groups_in_groups_and_links_that_lead_away(tmp_path: Path) -> None:
    def fill(group: h5py.Group) -> None:
        group["features"], group["boxes"] = samples.array(2, 3), samples.array(2, 4)
        group["img_w"], group["img_h"] = 9, 8

    with h5py.File(tmp_path / "other.h5", "w") as other:
        fill(other.create_group("secret"))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        fill(file.create_group("plain"))
        fill(file.create_group("sub/inner"))
        file["linked"] = h5py.ExternalLink("other.h5", "secret")
    assert ids(tmp_path / "x.h5") == ["plain", "sub/inner"]


def test_text_in_the_place_of_numbers(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/features"] = "text"
    with pytest.raises(DataError, match=r"x\.h5.*no numbers"):
        read(tmp_path / "x.h5")


def test_shards_without_a_file_of_boxes_by_name(tmp_path: Path) -> None:
    for name, width in (("p_feat9.h5", 3), ("p_cls9.h5", 5), ("boxes.h5", 6)):
        with h5py.File(tmp_path / name, "w") as file:
            file["9"] = samples.array(2, width)
    assert ids(tmp_path / "p", "vlp_h5", Reading(boxes=tmp_path / "boxes.h5")) == ["9"]
    (tmp_path / "boxes.h5").rename(tmp_path / "p_bbox.h5")
    assert ids(tmp_path / "p") == ids(tmp_path / "p_bbox.h5") == ["9"]
    with h5py.File(tmp_path / "p_cls9.h5", "w") as file:
        file["9"] = samples.array(3, 5)
    with pytest.raises(DataError, match=r"p_feat9\.h5, image '9'"):
        read(tmp_path / "p")


def test_a_folder_of_unified_vlp_needs_its_boxes(tmp_path: Path) -> None:
    np.save(tmp_path / "1_cls_prob.npy", samples.array(2, 5))
    with pytest.raises(ConfigError, match="--boxes"):
        open_features(tmp_path)


# Zips and folders of single files.


def test_members_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text(samples.vlbert())
    (tmp_path / "cc").mkdir()
    annotation = tmp_path / "cc" / "val.json"
    annotation.write_text('{"frcnn": "../secret.json"}\n')
    with pytest.raises(DataError, match="leads out"):
        read(annotation)


def test_a_folder_or_a_zip_of_json_files(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("0002", "0001"):
            archive.writestr(f"{name}.json", samples.vlbert())
            (tmp_path / "f" / f"{name}.json").write_text(samples.vlbert())
    assert ids(tmp_path / "x.zip") == ids(tmp_path / "f") == ["0001", "0002"]


@pytest.mark.parametrize("line", ["{}", "[]", "no JSON", '{"frcnn": 3}', '{"frcnn": "x.zip@/none.json"}'])
def test_an_annotation_that_names_nothing(line: str, tmp_path: Path) -> None:
    file = tmp_path / "val.json"
    file.write_text(line + "\n")
    with pytest.raises(DataError, match=r"val\.json"):
        read(file, "vlbert")


def test_information_without_features(tmp_path: Path) -> None:
    np.save(tmp_path / "a_info.npy", np.array({"bbox": samples.array(2, 4)}))
    with pytest.raises(DataError, match="no features"):
        read(tmp_path)


def batch_of_two(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values])


@pytest.mark.parametrize("change", [batch_of_two, lambda values: values[0]], ids=["a batch", "no batch"])
def test_one_image_a_file(change: Callable[[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    shapes = {"roi_features": (3, 5), "boxes": (3, 4), "normalized_boxes": (3, 4), "sizes": (2,)}
    shapes |= dict.fromkeys(("obj_ids", "obj_probs", "attr_ids", "attr_probs"), (3,))
    arrays = {name: samples.array(1, *shape) for name, shape in shapes.items()}
    arrays |= {name: np.zeros((1, 3), np.int64) for name in ("obj_ids", "attr_ids")}
    arrays |= {"sizes": np.array([[6, 8]]), "preds_per_image": np.array([2])}
    np.savez(tmp_path / "a.npz", **arrays)
    (record,) = read(tmp_path)
    assert record.features.shape == (2, 5)
    np.savez(tmp_path / "a.npz", **{name: change(values) for name, values in arrays.items()})
    with pytest.raises(DataError, match=r"a\.npz"):
        read(tmp_path)
    np.savez(tmp_path / "a.npz", **(arrays | {"preds_per_image": np.array([4])}))
    with pytest.raises(DataError, match="preds_per_image is 4"):
        read(tmp_path)


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.what = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.what


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "call", [Call(open, "trace", "w"), Call(os.system, "touch trace"), Call(eval, "open('trace', 'w')")]
)
def test_a_pt_file_that_asks_for_code_is_refused(
    call: Call, zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    torch.save(OrderedDict(obj_ids=torch.zeros(1), x=call), tmp_path / "1.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeData, match=r"1\.pt.*nothing was run"):
        read(tmp_path, "hf_lxmert")
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"roi_features": 3}, OrderedDict(boxes=torch.zeros(1))])
def test_a_pt_file_of_something_else(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "1.pt")
    with pytest.raises(DataError, match=r"1\.pt"):
        read(tmp_path)
