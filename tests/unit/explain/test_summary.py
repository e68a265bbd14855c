from __future__ import annotations

import json
from pathlib import Path

from iconotext.explain.runs import find
from iconotext.explain.summary import figures


def test_the_figures_of_the_page(folder: Path) -> None:
    found = json.loads(json.dumps(figures(find(folder)), allow_nan=False))
    assert (found["claims_met"], found["claims_judged"]) == (7, 9)
    assert found["claims"][0]["key"] == "masked_object"
    assert found["claims"][0]["met"] is True
    assert [entry["run"] for entry in found["tasks"]] == [
        "vqa",
        "vqa-scratch",
        "vqa-blind",
        "retrieval",
        "retrieval-scratch",
    ]
    assert found["tasks"][1]["is"] == "without pre-training"
    assert found["tasks"][1]["figures"]["VQA accuracy"]["value"] == 0.573
    steps, values = found["runs"]["pretrain"]["losses"]["itm"]
    assert steps[0] == 910
    assert len(steps) == len(values)
