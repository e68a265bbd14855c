"""What is made of scores: where it is cut, and what the cut is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_data import make_data

from iconotext.core.errors import DataError
from iconotext.data.records import DataSet
from iconotext.recipes.cleaned import Choice, Cut, Scored, border, choose, data_set, figures_of, truth_of

SPLITS = {"train": 5, "validation": 1, "test": 1}
SCORES = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
WRONG = {0, 1, 3}


def scored(path: Path, wrong: set[int] = WRONG, known: list[float | None] | None = None, **more: Any) -> Scored:
    """Ten pairs of five pictures; the scores ascend."""
    data = make_data(path, SPLITS)
    shard = data.shards("texts", "train")[0]
    texts = pq.read_table(shard)
    truth = pa.array([row not in wrong for row in range(10)])
    texts = texts.set_column(texts.column_names.index("matched"), "matched", truth)
    for name, column in more.items():
        texts = texts.append_column(name, column)
    pq.write_table(texts, shard)
    columns = {"text_id": texts["text_id"], "image_id": texts["image_id"], "fold": pa.array([0, 1] * 5, pa.int32())}
    known = known or [-1.0, 0.5, 1.0, 1.5, 2.0, -0.5, None, 0.2, 1.2, 9.5]
    scores = {"score": pa.array(SCORES, pa.float32()), "mismatched": pa.array(known, pa.float32())}
    return Scored(DataSet.open(path), "train", pa.table({**columns, **scores}))


def test_figures_by_hand(tmp_path: Path) -> None:
    pairs = scored(tmp_path / "data")
    assert pairs.right is not None
    choice = choose(pairs, Cut(remove=0.3))
    assert choice.threshold == 3.0
    assert choice.kept.tolist() == [False] * 3 + [True] * 7
    found = {entry["name"]: entry for entry in truth_of(pairs, choice, pairs.right)["figures"]}
    values = [entry["value"] for entry in found.values()]
    # Of the 3 x 7 pairs of a wrong and a right one, only (3, 2) stand the wrong way round.
    assert values == pytest.approx([20 / 21, 2 / 3, 2 / 3, 1 / 7, 1 / 7])
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in found.values())
    figures = figures_of(pairs, Cut(remove=0.3), choice)
    fold = figures["folds"][0]
    assert (fold["pairs"], fold["pictures"]) == (5, 5)
    assert fold["told_apart"] == 4 / 4, "a text without another picture does not count"
    assert fold["auc"] == pytest.approx(1.0), "scores 0 against 2, 4, 6, 8"
    assert figures["shares"][3]["removed"] == 2
    assert figures["shares"][3]["precision"] == 1.0
    assert [sum(figures["counts"][name]) for name in ("pairs", "mismatched", "right", "wrong")] == [10, 9, 7, 3]
    assert [pair["score"] for pair in border(pairs, choice, removed=True)] == [2.0, 1.0, 0.0]
    assert [pair["score"] for pair in border(pairs, choice, removed=False)][:2] == [3.0, 4.0]


def test_truth_is_known_only_where_something_is_wrong(tmp_path: Path) -> None:
    pairs = scored(tmp_path / "data", wrong=set())
    assert pairs.right is None
    figures = figures_of(pairs, Cut(remove=0.2), choose(pairs, Cut(remove=0.2)))
    assert figures["truth"] is None
    assert "right" not in figures["counts"]
    assert all("precision" not in entry for entry in figures["shares"])


def test_left_to_the_scores_as_many_go_as_look_mismatched(tmp_path: Path) -> None:
    pairs = scored(tmp_path / "data", known=[0.9, 1.0, 1.1, 1.5, 1.5, 1.5, 1.6, 1.7, 1.8, 2.1])
    choice = choose(pairs, Cut())
    assert choice.estimated == 0.4, "twice the two pairs below 1.5"
    assert (choice.threshold, choice.share) == (4.0, 0.4)


def test_weights_add_to_those_there_and_nothing_else_changes(tmp_path: Path) -> None:
    before = pa.array([0.5] * 9 + [None], pa.float32())
    pairs = scored(tmp_path / "data", weight=before)
    weights = np.array([0.0, 0.0, 0.25, 0.5, *[1.0] * 6])
    made = data_set(pairs, Cut(weigh=True), Choice(0.3, 0.3, 3.0, weights), tmp_path / "out", {})
    table = made.table("texts", "train")
    assert table["weight"].to_pylist() == pytest.approx([0.125, 0.25, *[0.5] * 5, 1.0])
    assert table["text_id"].to_pylist() == pairs.table["text_id"].to_pylist()[2:]
    removed = data_set(pairs, Cut(), Choice(0.3, 0.3, 3.0, weights), tmp_path / "out", {}).table("texts", "train")
    assert removed["weight"].to_pylist() == [0.5] * 7 + [None]


def test_without_a_single_known_mismatch_nothing_can_be_said(tmp_path: Path) -> None:
    pairs = scored(tmp_path / "data", known=[None] * 10)
    with pytest.raises(DataError, match="every text stands with every picture"):
        choose(pairs, Cut())
