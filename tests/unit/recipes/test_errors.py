from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import tiny
from toy_data import SPLITS, make_data, make_store, make_words, save_pretrained

from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.recipes import evaluate, finetune
from iconotext.recipes.errors import ErrorsOptions, run
from iconotext.recipes.evaluate import EvaluateOptions
from iconotext.recipes.finetune import FinetuneOptions
from iconotext.systems import SYSTEMS
from iconotext.tasks.relevance import RelevanceOptions


def write(run: Path, columns: dict[str, Any], **about: Any) -> Path:
    """A run as ``iconotext evaluate`` leaves it."""
    run.mkdir(parents=True)
    pq.write_table(pa.table(columns), run / "predictions.parquet")
    (run / "evaluation.json").write_text(json.dumps({"task": "vqa", "data": "abc", "split": "test", **about}))
    return run


def answered(right: list[float], **changes: Any) -> dict[str, Any]:
    count = len(right)
    columns = {
        "question_id": [f"q{i}" for i in range(count)],
        "image_id": [f"i{i // 2}" for i in range(count)],
        "question": [f"what <is> {i}" for i in range(count)],
        "answers": [["red"]] * count,
        "kind": ["colour", "count"] * (count // 2),
        "predicted": ["red" if accuracy else "blue" for accuracy in right],
        "accuracy": right,
    }
    return {**columns, "unit": columns["image_id"], **changes}


def compared(a: Path, b: Path, out: Path, **changes: Any) -> dict[str, Any]:
    page = run(ErrorsOptions(a, b, out, **changes))
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return {**found, "page": page.read_text("utf-8")}


def test_where_two_models_differ(tmp_path: Path) -> None:
    a = write(tmp_path / "a", answered([1.0, 0.0] * 30))
    b = write(tmp_path / "b", answered([1.0] * 58 + [0.0, 1.0]))
    found = compared(a, b, tmp_path / "out")
    (whole,) = found["figures"]
    assert (whole["name"], whole["first"], whole["second"]) == ("accuracy", 0.5, 59 / 60)
    assert whole["value"] == pytest.approx(59 / 60 - 0.5)
    assert whole["low"] <= whole["value"] <= whole["high"]
    assert whole["p"] == pytest.approx(2 / 1001)
    assert found["better"] == {"first": 1, "second": 30, "equal": 29}
    kinds = {entry["name"]: entry for entry in found["by_kind"]}
    assert kinds["accuracy, count"]["value"] == 1
    assert kinds["accuracy, colour"]["value"] == pytest.approx(-1 / 30)
    assert kinds["accuracy, colour"]["p"] > 0.5
    rows = pq.read_table(tmp_path / "out" / "cases.parquet").to_pydict()
    assert (rows["value_a"], rows["value_b"]) == ([1.0, 0.0] * 30, [1.0] * 58 + [0.0, 1.0])
    assert "what &lt;is&gt; 58" in found["page"]
    assert "A, a" in found["page"]


def test_a_model_does_not_differ_from_itself(tmp_path: Path) -> None:
    a = write(tmp_path / "a", answered([1.0, 0.3] * 10))
    (whole,) = compared(a, a, tmp_path / "out")["figures"]
    assert (whole["value"], whole["low"], whole["high"], whole["p"]) == (0, 0, 0, 1)


def test_cases_are_found_by_their_names_and_unknown_ones_do_not_count(tmp_path: Path) -> None:
    a = write(tmp_path / "a", answered([1.0, 0.0, 1.0, float("nan")]))
    order = [3, 2, 1]
    rows = {name: [column[i] for i in order] for name, column in answered([0.0, 1.0, 0.0, 1.0]).items()}
    found = compared(a, write(tmp_path / "b", rows), tmp_path / "out")
    assert found["left_out"] == 1
    assert found["cases"] == 2
    assert found["better"] == {"first": 1, "second": 1, "equal": 0}


def test_ranks(tmp_path: Path) -> None:
    ways = ["text_to_image"] * 4 + ["image_to_text"] * 2
    units = ["i0", "i0", "i1", "i1", "i0", "i1"]
    columns = {"direction": ways, "query_id": ["t0", "t1", "t2", "t3", "i0", "i1"], "query": [""] * 6, "unit": units}
    a = write(tmp_path / "a", {**columns, "rank": [1.0, 5.0, 10.0, 11.0, 1.5, float("nan")]}, task="retrieval")
    b = write(tmp_path / "b", {**columns, "rank": [1.0, 1.0, 5.5, 10.0, 1.0, 2.0]}, task="retrieval")
    found = compared(a, b, tmp_path / "out")
    figures = {entry["name"]: (entry["first"], entry["second"], entry["n"]) for entry in found["figures"]}
    assert figures == {
        "text to image R@1": (0.25, 0.5, 4),
        "text to image R@5": (0.5, 0.5, 4),
        "text to image R@10": (0.75, 1.0, 4),
        "image to text R@1": (0.0, 1.0, 1),
        "image to text R@5": (1.0, 1.0, 1),
        "image to text R@10": (1.0, 1.0, 1),
    }
    assert "rank 5.5" in found["page"]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    a = write(tmp_path / "a", answered([1.0, 0.0]))
    with pytest.raises(MissingPiece, match="iconotext evaluate"):
        run(ErrorsOptions(a, tmp_path / "none", tmp_path / "out"))
    with pytest.raises(ConfigError, match="another split"):
        run(ErrorsOptions(a, write(tmp_path / "b", answered([1.0, 0.0]), split="validation"), tmp_path / "out"))
    others = write(tmp_path / "c", answered([1.0, 0.0], question_id=["x", "y"]))
    with pytest.raises(DataError, match="no case in common"):
        run(ErrorsOptions(a, others, tmp_path / "out"))
    old = {name: column for name, column in answered([1.0, 0.0]).items() if name != "unit"}
    with pytest.raises(DataError, match="drawn independently"):
        run(ErrorsOptions(a, write(tmp_path / "d", old), tmp_path / "out"))
    shutil.copy(a / "evaluation.json", tmp_path / "d" / "predictions.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        run(ErrorsOptions(a, tmp_path / "d", tmp_path / "out"))
    with pytest.raises(ConfigError, match="--examples 0"):
        run(ErrorsOptions(a, a, tmp_path / "out", examples=0))


def test_relevance_from_fine_tuning_to_errors(tmp_path: Path) -> None:
    data, store = make_data(tmp_path / "data"), make_store(tmp_path / "store")
    page = tiny(SYSTEMS["uniter"], norm="pre", init=0.0, dropout=0.0, attention_dropout=0.0)
    save_pretrained(tmp_path / "uniter", page, make_words(data), store)
    common: dict[str, Any] = {"data": tmp_path / "data", "store": tmp_path / "store", "start": tmp_path / "uniter"}
    common |= {
        "batch": 16,
        "learning_rate": 5e-3,
        "workers": 0,
        "precision": "fp32",
        "evaluate_on": 8,
        "schedule": "constant",
    }
    for name, steps, blind in (("seeing", 160, None), ("blind", 2, "text")):
        options = FinetuneOptions(RelevanceOptions(), **common, out=tmp_path / name, steps=steps, blind=blind)
        assert finetune.run(options).evaluated.keys() == {"accuracy"}
        evaluate.run(EvaluateOptions(tmp_path / name, tmp_path / "data", tmp_path / "store", batch=64))
    found = json.loads((tmp_path / "seeing" / "evaluation.json").read_text())
    values = {figure["name"]: figure["value"] for figure in found["figures"]}
    assert values["relevance NDCG@10"] > values["relevance NDCG@10, regions removed"] + 0.1
    assert found["without_picture"] == 2 * SPLITS["test"]
    names = [entry["name"] for entry in found["by_kind"]]
    assert len(set(names)) == len(names)
    assert "dog: relevance NDCG@10, regions removed" in names
    kinds = {entry["kind"] for entry in found["by_kind"]}
    assert {"dog", "other", "grade 0", "grade 1", "grade 3"} == kinds
    rows = pq.read_table(tmp_path / "seeing" / "predictions.parquet").to_pydict()
    assert values["relevance NDCG@10"] == pytest.approx(np.mean(rows["accuracy"]))
    assert [len(scores) for scores in rows["scores"]] == [12] * SPLITS["test"]
    assert len((tmp_path / "seeing" / "relevance.trec").read_text().splitlines()) == 12 * SPLITS["test"]
    (whole,) = compared(tmp_path / "blind", tmp_path / "seeing", tmp_path / "out")["figures"]
    assert (whole["name"], whole["n"]) == ("NDCG@10", SPLITS["test"])
    assert whole["second"] == pytest.approx(values["relevance NDCG@10"])
    assert whole["value"] > 0
