from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iconotext.data.records import DataSet
from iconotext.explain.answered import page, some
from iconotext.explain.pictures import Pictures
from iconotext.explain.runs import Run


def run(path: Path, task: str) -> Run:
    figures = [{"name": "accuracy", "value": 0.5, "low": 0.25, "high": 0.75, "n": 4}]
    return Run("mine", path, evaluation={"task": task, "split": "test", "figures": figures})


def test_right_and_wrong_cases_stand_apart(tmp_path: Path, data: DataSet) -> None:
    ids = data.image_ids("test")[:4]
    rows = {
        "question_id": list("abcd"),
        "image_id": ids,
        "unit": ids,
        "question": [f"what <is> {i}?" for i in range(4)],
        "answers": [["red"]] * 4,
        "predicted": ["red", "blue", "red", "grey"],
        "blind_predicted": ["green"] * 4,
        "accuracy": [1.0, 0.0, 1.0, 0.5],
    }
    pictures = Pictures(data, None)
    written = page(run(tmp_path, "vqa"), pa.table(rows), pictures, 12)
    right, wrong = written[written.index('id="right"') :].split('id="wrong"')
    assert "what &lt;is&gt; 0?" in right
    assert "what &lt;is&gt; 2?" in right
    assert "what &lt;is&gt; 1?" in wrong
    assert "what &lt;is&gt; 3?" in wrong
    assert right.count("✓") == wrong.count("✗") == 2
    assert wrong.count("right: ") == 2
    assert "right: " not in right
    assert "2 cases of 4" in right
    assert "green" in wrong
    assert written.count("<img") == 4
    assert pictures.lost == []
    assert page(run(tmp_path, "vqa"), pa.table(rows), pictures, 1).count("<img") == 2
    assert "<p>None.</p>" in page(run(tmp_path, "vqa"), pa.table(rows).slice(0, 1), pictures, 1)


def test_boxes_are_drawn_and_the_right_one_where_it_was_missed(tmp_path: Path, data: DataSet) -> None:
    ids, box = data.image_ids("test")[:2], [2.0, 2.0, 20.0, 20.0]
    rows = {"expression_id": ["a", "b"], "image_id": ids, "unit": ids, "text": ["x", "y"], "box": [box] * 2}
    table = pa.table({**rows, "predicted": [box, [0.0, 0.0, 1.0, 1.0]], "accuracy": [1.0, 0.0]})
    written = page(run(tmp_path, "expressions"), table, Pictures(data, None), 12)
    assert f"picture {ids[0]} with boxes: said&quot;" in written.replace('said"', "said&quot;")
    assert f"picture {ids[1]} with boxes: right, said" in written


def test_a_graded_task_says_its_grade(tmp_path: Path, data: DataSet) -> None:
    ids = data.image_ids("test")[:2]
    rows: dict[str, Any] = {
        "image_id": ids,
        "unit": ids,
        "references": [["a cat"]] * 2,
        "predicted": ["a cat", "a zebra"],
    }
    written = page(run(tmp_path, "captions"), pa.table({**rows, "accuracy": [1.0, 0.0]}), Pictures(data, None), 12)
    highest, lowest = written[written.index("<h2>Highest ROUGE-L") :].split("<h2>Lowest ROUGE-L")
    assert highest.index("a cat") < highest.index("a zebra")
    assert lowest.index("a zebra") < lowest.index("right: <b>") < lowest.rindex("a cat")
    assert "✓" not in written


def test_searches_show_what_was_found(tmp_path: Path, data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = data.image_ids("test")[:3]
    rows = {
        "direction": ["text_to_image"] * 2,
        "query_id": ["t0", "t1"],
        "query": ["a car", "a dog"],
        "rank": [1.0, 2.0],
        "found": [[ids[0], ids[1]], [ids[2], ids[1]]],
        "found_scores": [[2.0, 1.0]] * 2,
        "unit": ids[:2],
    }
    pq.write_table(pa.table(rows), tmp_path / "predictions.parquet")
    monkeypatch.setattr(data, "table", lambda *_: pa.table({"text_id": ["t0", "t1"], "image_id": ids[:2]}))
    written = page(run(tmp_path, "retrieval"), pa.table(rows), Pictures(data, None), 12)
    assert written.index("a car") < written.index("a dog")
    assert written.count("✓ right") == 2
    blind = Run("mine", tmp_path, evaluation={"task": "retrieval", "blind": "text"})
    assert "a car" not in page(blind, pa.table(rows), Pictures(data, None), 12)


def test_some_cases_of_many_pictures() -> None:
    units = ["a", "a", "a", "b", "b", "c"]
    rows = np.arange(6)
    assert some(rows, units, 3) == [0, 4, 5]
    assert some(rows, units, 5) == [0, 1, 2, 4, 5]
    assert some(rows[:0], units, 3) == []
    assert some(rows[::-1], units, 3) == [5, 3, 0]
