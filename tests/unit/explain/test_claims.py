from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from iconotext.core.errors import DataError
from iconotext.explain.claims import Claim, claims_of, mark, section, verdict
from iconotext.explain.runs import Run, find

CLAIM = Claim("k", "Name", 0.6, "at least", "note", value=0.7, low=0.65, high=0.75, n=800)


@pytest.mark.parametrize(
    ("value", "bar", "bar_is", "met"),
    [
        (0.6, 0.6, "at least", True),
        (0.599, 0.6, "at least", False),
        (0.05, 0.05, "at most", True),
        (0.051, 0.05, "at most", False),
        (0.5, 0.5, "reported", None),
        (0.5, None, "reported", None),
    ],
)
def test_a_claim_is_met_or_missed_or_reported(value: float, bar: float | None, bar_is: str, met: bool | None) -> None:
    assert replace(CLAIM, value=value, bar=bar, bar_is=bar_is).met is met


def test_a_bar_inside_the_interval_is_said() -> None:
    assert "narrowly" not in mark(CLAIM)
    assert "✓ met, narrowly" in mark(replace(CLAIM, low=0.55))
    assert "✗ missed, narrowly" in mark(replace(CLAIM, value=0.58, low=0.55, high=0.61))
    assert "reported" in mark(replace(CLAIM, bar=None))


def test_fine_tuned_runs_are_judged_beside_the_measured_one(folder: Path) -> None:
    found = claims_of(find(folder))
    by_key = {claim.key: (run.name, claim) for run, claim in found}
    assert by_key["vqa"][0] == "vqa"
    assert by_key["vqa"][1].value == 0.812
    assert by_key["vqa_blind"][0] == "vqa-blind"
    assert by_key["vqa_blind"][1].met
    assert verdict([claim for _, claim in found]) == (7, 9)


def test_bars_of_the_world_do_not_judge_other_data(folder: Path) -> None:
    assert claims_of(find(folder / "vqa")) == []


def test_every_claim_is_in_the_table(folder: Path) -> None:
    runs = find(folder)
    (table,) = section(runs).body
    for _, claim in claims_of(runs):
        assert claim.name in table
    assert table.count("<tr>") == 1 + len(claims_of(runs))


def test_two_systems_have_two_tables(folder: Path) -> None:
    (run,) = find(folder / "pretrain")
    other = replace(run, config={"system": {"title": "ViLBERT"}})
    assert [part for part in section([run, other]).body if part.startswith("<h3")] == [
        "<h3>UNITER</h3>",
        "<h3>ViLBERT</h3>",
    ]


def test_an_incomplete_claim_is_named() -> None:
    with pytest.raises(DataError, match=r"measures\.json.*bar_is"):
        claims_of(
            [
                Run(
                    "x",
                    Path("x"),
                    measures={"claims": [{"key": "a", "name": "a", "value": 1, "low": 1, "high": 1, "n": 1}]},
                )
            ]
        )
