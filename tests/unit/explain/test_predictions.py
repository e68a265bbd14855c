from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iconotext.core.errors import DataError
from iconotext.data.records import DataSet
from iconotext.explain.predictions import captions, queries, questions
from iconotext.explain.runs import Run, find


def test_questions_come_one_a_picture_in_the_order_of_the_data(folder: Path, data: DataSet) -> None:
    (run,) = find(folder / "vqa")
    found = questions(run)
    assert [case["image_id"] for case in found] == data.image_ids("test")
    assert [case["right"] for case in found[:5]] == [False, True, True, True, False]
    assert found[1]["question"].startswith("有")
    assert found[1]["without"] == "two"


def test_a_blind_run_gives_no_examples(folder: Path) -> None:
    (run,) = find(folder / "vqa")
    assert questions(replace(run, evaluation={"blind": True})) == []


def test_captions_are_those_of_pictures_that_people_captioned(tmp_path: Path) -> None:
    own = {"predicted": "a dog", "accuracy": 0.5, "blind_predicted": "a cat"}
    rows = [
        {**own, "image_id": "p0", "references": ["a dog runs", "dogs"]},
        {**own, "image_id": "p1", "references": []},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "predictions.parquet")
    (case,) = captions(Run("write", tmp_path))
    assert (case["image_id"], case["caption"], case["without"]) == ("p0", "a dog", "a cat")
    assert (case["rouge_l"], case["references"]) == (0.5, ["a dog runs", "dogs"])
    assert captions(Run("write", tmp_path, evaluation={"blind": "text"})) == []


def test_queries_know_their_own_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: DataSet) -> None:
    rows = [
        {
            "direction": "text_to_image",
            "query_id": "t0",
            "query": "a car",
            "found": ["p3", "p0"],
            "found_scores": [2.0, 1.0],
        },
        {"direction": "image_to_text", "query_id": "p0", "query": "", "found": ["t0"], "found_scores": [2.0]},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "predictions.parquet")
    texts = pa.table({"text_id": ["t0"], "image_id": ["p0"]})
    monkeypatch.setattr(data, "table", lambda *_: texts)
    run = Run("find", tmp_path, evaluation={"split": "test"})
    assert queries(run, data) == [{"query": "a car", "answer_image": "p0", "ranking": [("p3", 2.0), ("p0", 1.0)]}]
    assert queries(run, None) == []
    assert questions(run) == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "predictions.parquet").write_bytes(b"torn")
    with pytest.raises(DataError, match="iconotext evaluate"):
        questions(Run("vqa", tmp_path))
