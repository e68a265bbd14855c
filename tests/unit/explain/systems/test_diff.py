"""How systems differ."""

from __future__ import annotations

import dataclasses

import pytest

from iconotext.explain.systems.diff import differences, own
from iconotext.heads import AnswerHeadKind, Downstream, TaskHead
from iconotext.systems import SYSTEMS
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_page_does_not_differ_from_itself(name: str) -> None:
    assert list(differences(SYSTEMS[name], SYSTEMS[name])) == []


def test_two_systems_in_words() -> None:
    told = dict(differences(UNITER, VILBERT))
    assert told["streams"] == "UNITER: single-stream; ViLBERT: dual-stream"
    assert told["schedule"] == "UNITER: 12 joint; ViLBERT: 6 text + 6 (co + twin)"
    assert told["pooled"] == "only UNITER: first token; only ViLBERT: product (width 1,024)"
    assert "location: UNITER box7, norm, ViLBERT box5" in told["regions"]
    assert told["objectives"].startswith("only UNITER: WRA, MRFR")
    assert "words" not in told


def test_every_field_that_decides_something_shows() -> None:
    for change in (
        {"eps": 1e-5},
        {"norm": "pre"},
        {"width": 512},
        {"dropout": 0.0},
        {"init": 0.0},
        {"mix": VILBERT.mix},
        {"downstream": Downstream("sigmoid", 2.0, "softmax", images="attention", class_hidden=1.0)},
        {"answer": AnswerHeadKind("transform", hidden=1.0)},
        {"tasks": (TaskHead("vqa"),)},
    ):
        assert list(differences(UNITER, dataclasses.replace(UNITER, title="other", **change))), change


def test_who_sees_whom_and_the_heads_of_tasks() -> None:
    told = dict(differences(UNITER, SYSTEMS["vlp"]))
    assert told["attention"].startswith("UNITER: every token sees all that its stream reads; Unified VLP: 0.75 of the")
    assert told["expressions"].startswith("UNITER: a share among the regions; Unified VLP: a yes or no of each")
    assert told["questions"].endswith(
        "Unified VLP: linear, ReLU, linear, from the product of the first two words; a hidden layer 2 times as wide"
    )
    alone = dict(differences(UNITER, SYSTEMS["bert"]))
    assert alone["entailment"] == "UNITER: three classes; a hidden layer 2 times as wide; BERT: none"
    assert dict(differences(SYSTEMS["bert"], UNITER))["entailment"].startswith("BERT: none; UNITER: three")


def test_what_is_its_own() -> None:
    assert ("schedule", "12 joint") in own(UNITER, [VILBERT])
    assert ("regions", "feature, masked learned") in own(UNITER, [UNITER, VILBERT])
    assert ("objectives", "WRA") in [(part, thing.split(" ")[0]) for part, thing in own(UNITER, [VILBERT])]
    assert own(UNITER, [dataclasses.replace(UNITER, name="twin")]) == []
