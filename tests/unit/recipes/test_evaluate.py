from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from samples import tiny
from toy_data import PRINT, SPLITS, make_data, make_store, make_words, save_pretrained

from iconotext.core.errors import ConfigError, FingerprintError, MissingPiece
from iconotext.objectives.mlm import MLM
from iconotext.recipes import finetune
from iconotext.recipes.evaluate import EvaluateOptions, run
from iconotext.recipes.finetune import FinetuneOptions
from iconotext.systems import SYSTEMS
from iconotext.tasks.retrieval import RetrievalOptions
from iconotext.tasks.vqa import VqaOptions

SEEN = "VQA accuracy"
REMOVED, WORDLESS = f"{SEEN}, regions removed", f"{SEEN}, words removed"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pre-trained (with random weights) and fine-tuned models on the little data set."""
    folder = tmp_path_factory.mktemp("evaluate")
    data, store = make_data(folder / "data"), make_store(folder / "store")
    words = make_words(data)
    for name in ("uniter", "vilbert"):
        save_pretrained(folder / name, tiny(SYSTEMS[name], norm="pre", init=0.0, dropout=0.0), words, store)
    save_pretrained(folder / "mlm", dataclasses.replace(tiny(SYSTEMS["uniter"]), mix=MLM()), words, store)
    common: dict[str, Any] = {"data": folder / "data", "store": folder / "store", "start": folder / "vilbert"}
    common |= {"batch": 16, "learning_rate": 5e-3, "workers": 0, "precision": "fp32", "evaluate_on": 0}
    finetune.run(FinetuneOptions(VqaOptions(1), **common, out=folder / "vqa", steps=90))
    finetune.run(FinetuneOptions(VqaOptions(1), **common, out=folder / "blind", steps=2, blind="text"))
    common["start"] = folder / "uniter"
    finetune.run(FinetuneOptions(RetrievalOptions(), **common, out=folder / "retrieval", steps=30))
    return folder


def evaluated(folder: Path, name: str, **changes: Any) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    (folder / name / "examples.html").unlink(missing_ok=True)
    path = run(EvaluateOptions(folder / name, folder / "data", folder / "store", **changes))
    assert path.with_name("examples.html").is_file() == (changes.get("examples") != 0)
    return json.loads(path.read_text()), pq.read_table(path.with_name("predictions.parquet")).to_pydict()


def values(found: dict[str, Any]) -> dict[str, float]:
    return {figure["name"]: figure["value"] for figure in found["figures"]}


def test_questions_with_and_without_the_picture(folder: Path) -> None:
    found, rows = evaluated(folder, "vqa")
    figures = values(found)
    assert list(figures) == [SEEN, REMOVED, WORDLESS]
    assert figures[SEEN] == pytest.approx(np.mean(rows["accuracy"]))
    assert figures[REMOVED] == pytest.approx(np.mean(rows["blind_accuracy"]))
    assert figures[WORDLESS] == pytest.approx(np.mean(rows["wordless_accuracy"]))
    assert figures[SEEN] > max(figures[REMOVED], figures[WORDLESS])
    assert [a == b[0] for a, b in zip(rows["predicted"], rows["answers"])] == [a == 1 for a in rows["accuracy"]]
    assert len(rows["question_id"]) == 2 * SPLITS["test"]
    assert all(0 <= score <= 1 for score in rows["score"])
    for figure in found["figures"]:
        assert figure["low"] <= figure["value"] <= figure["high"]
    names = [entry["name"] for entry in found["by_kind"]]
    assert names == [
        f"{kind}{end}" for end in ("", ", regions removed", ", words removed") for kind in ("colour", "exists")
    ]
    right = [a for a, kind in zip(rows["accuracy"], rows["kind"]) if kind == "colour"]
    assert found["by_kind"][0]["value"] == pytest.approx(np.mean(right))
    assert found["by_kind"][0]["figure"] == SEEN
    assert (found["task"], found["zero_shot"], found["blind"], found["split"]) == ("vqa", False, None, "test")
    assert found["coverage"]["answers"] == 5


def test_a_blind_model_is_measured_as_it_was_trained(folder: Path) -> None:
    found, rows = evaluated(folder, "blind")
    assert list(values(found)) == [REMOVED]
    assert found["blind"] == "text"
    assert rows["predicted"] == rows["blind_predicted"]


@pytest.mark.parametrize("name", ["retrieval", "uniter"])
def test_search_both_ways(folder: Path, name: str) -> None:
    found, rows = evaluated(folder, name)
    assert found["zero_shot"] is (name != "retrieval")
    assert (found["texts"], found["pictures"]) == (2 * SPLITS["test"], SPLITS["test"])
    ways = [
        way
        for way, count in (("text_to_image", found["texts"]), ("image_to_text", found["pictures"]))
        for _ in range(count)
    ]
    assert rows["direction"] == ways
    for way in ("text_to_image", "image_to_text"):
        ranks = np.array([rank for rank, direction in zip(rows["rank"], ways) if direction == way])
        for k in (1, 5, 10):
            assert values(found)[f"{way.replace('_', ' ')} R@{k}"] == pytest.approx((ranks <= k).mean())
    for owner, rank, score, ids, scores in zip(
        *(rows[n] for n in ("query_id", "rank", "score", "found", "found_scores"))
    ):
        assert len(ids) == len(scores) == 10
        assert scores == sorted(scores, reverse=True)
        wanted, _, text = owner.rpartition("-t")
        if rank <= 10 and text.isdigit():
            assert scores[ids.index(wanted)] == score
        elif rank <= 10:
            assert any(found.startswith(f"{owner}-t") for found in ids) or score == scores[-1], (
                "unless others score the same"
            )
    kinds = {entry["name"] for entry in found["by_kind"]}
    assert kinds == {f"{kind}: text to image R@{k}" for kind in ("one", "pair") for k in (1, 5, 10)}


def test_fine_tuning_helps(folder: Path) -> None:
    tuned, before = (values(evaluated(folder, name)[0]) for name in ("retrieval", "uniter"))
    assert tuned["text to image R@5"] > before["text to image R@5"]


def test_search_with_texts_of_one_kind(folder: Path) -> None:
    every = dict(zip(*(evaluated(folder, "retrieval")[1][name] for name in ("query_id", "found_scores"))))
    found, rows = evaluated(folder, "retrieval", kind="pair")
    texts = [row for row, way in enumerate(rows["direction"]) if way == "text_to_image"]
    assert {rows["kind"][row] for row in texts} == {"pair"}
    assert (found["texts"], found["pictures"]) == (SPLITS["test"], SPLITS["test"])
    for row in texts:
        assert rows["found_scores"][row] == pytest.approx(every[rows["query_id"][row]], abs=1e-4)
    with pytest.raises(ConfigError, match="kinds one, pair"):
        evaluated(folder, "retrieval", kind="colourless")


def test_among_fewer_pictures(folder: Path) -> None:
    found, rows = evaluated(folder, "retrieval", pictures=5, split="train")
    assert (found["texts"], found["pictures"]) == (10, 5)
    assert evaluated(folder, "retrieval", pictures=5, split="train", examples=0)[1] == rows
    assert evaluated(folder, "retrieval", pictures=5, split="train", seed=1)[1]["query_id"] != rows["query_id"]
    with pytest.raises(ConfigError, match="has 48"):
        evaluated(folder, "retrieval", pictures=500, split="train")


def test_a_model_that_cannot_match_is_refused(folder: Path) -> None:
    with pytest.raises(MissingPiece, match="iconotext finetune retrieval"):
        evaluated(folder, "mlm")


def test_regions_made_otherwise_are_refused(folder: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "store", SPLITS, dataclasses.replace(PRINT, colour_order="BGR"))
    with pytest.raises(FingerprintError, match="colour_order"):
        run(EvaluateOptions(folder / "vqa", folder / "data", tmp_path / "store"))
