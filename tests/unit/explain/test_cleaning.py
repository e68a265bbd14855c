from __future__ import annotations

from typing import Any

from iconotext.explain.cleaning import histogram, page, story
from iconotext.explain.pictures import Pictures

FIGURES: dict[str, Any] = {
    "data": "web <pictures>",
    "scored": 10,
    "not_scored": 0,
    "pictures": 5,
    "estimated_share": 0.28,
    "asked": {"remove": None, "threshold": None, "weigh": False},
    "share": 0.3,
    "threshold": -0.5,
    "removed": 3,
    "mean_weight": 0.7,
    "edges": [-2.0, -1.0, 0.0, 1.0],
    "counts": {"pairs": [2, 1, 7], "mismatched": [6, 3, 1]},
    "folds": [{"fold": 0, "pairs": 10, "pictures": 5, "told_apart": 0.8}],
    "shares": [{"share": 0.1, "removed": 1, "threshold": -1.5}],
    "truth": None,
}
TRUTH: dict[str, Any] = {
    "truth": {
        "wrong": 0.25,
        "figures": [{"name": "recall", "value": 0.9, "low": 0.8, "high": 0.95, "n": 10}],
        "weights": {"right": 0.95, "wrong": 0.1},
    },
    "counts": {**FIGURES["counts"], "right": [0, 1, 6], "wrong": [2, 0, 1]},
    "folds": [{**FIGURES["folds"][0], "auc": 0.97}],
    "shares": [{**FIGURES["shares"][0], "precision": 1.0, "recall": 0.4}],
}


def pair(**more: Any) -> dict[str, Any]:
    return {"image_id": "i1", "text": "a <red> dog", "score": -1.25, "weight": 0.0, **more}


def written(figures: dict[str, Any], *pairs: dict[str, Any]) -> str:
    return page(figures, {"worst": pairs, "gone": pairs, "stay": ()}, Pictures(None, None), "CC BY")


def test_a_page_without_the_truth() -> None:
    found = written(FIGURES, pair())
    assert "web &lt;pictures&gt;" in found
    assert "a &lt;red&gt; dog" in found
    assert "About 28" in found
    assert "3 pairs (30" in found
    assert "score -1.25" in found
    assert found.count("<svg") == 1
    assert "Against the truth" not in found
    assert "AUC" not in found


def test_a_page_with_the_truth() -> None:
    found = written({**FIGURES, **TRUTH}, pair(right=False), pair(right=True, weight=0.25))
    assert found.count("<svg") == 3
    assert "Against the truth" in found
    assert '<span class="no"> wrong</span>' in found
    assert '<span class="yes"> right</span>' in found
    assert "weight 0.25" in found
    assert "of all wrong ones" in found


def test_what_is_said_of_weights_and_of_what_was_not_scored() -> None:
    said = story({**FIGURES, "asked": {"weigh": True}, "not_scored": 1})
    assert "in as many of the epochs" in said
    assert "1 text without regions" in said


def test_bars_below_the_threshold_have_the_second_colour() -> None:
    drawn = histogram("All", FIGURES, [2, 1, 7], [6, 3, 1])
    assert drawn.count("var(--other)") == 1
    assert drawn.count("var(--accent)") == 2
    assert "curve" in drawn
    assert "curve" not in histogram("All", FIGURES, [0, 0, 0])
