"""Attention and the heads of tasks, in words."""

from __future__ import annotations

import dataclasses

import pytest

from iconotext.explain.systems.forms import heads, patterns, seen
from iconotext.nn.schedule import REGION, Attend, FeedForward
from iconotext.objectives import ITM, MLM, CaptionMLM, OneAtATime, Phases, Together
from iconotext.systems import SYSTEMS

WRITE = CaptionMLM(pattern="seq2seq")


@pytest.mark.parametrize(
    ("mix", "shares"),
    [
        (MLM(), {"full": 1.0}),
        (WRITE, {"seq2seq": 1.0}),
        (OneAtATime(((3, WRITE), (1, CaptionMLM()))), {"seq2seq": 0.75, "full": 0.25}),
        (Phases(((0.5, MLM()), (0.5, OneAtATime(((1, WRITE), (1, MLM())))))), {"full": 0.75, "seq2seq": 0.25}),
        (Together((ITM(), OneAtATime(((1, WRITE), (1, CaptionMLM()))))), {"seq2seq": 0.5, "full": 0.5}),
    ],
)
def test_the_share_of_each_pattern(mix: object, shares: dict[str, float]) -> None:
    assert patterns(mix) == shares  # type: ignore[arg-type]


def test_who_sees_whom() -> None:
    assert seen(SYSTEMS["uniter"]) == "every token sees all that its stream reads"
    assert seen(SYSTEMS["vlp"]).startswith(
        "0.75 of the batches: words see the image and the words before them, the image"
    )
    gated = dataclasses.replace(SYSTEMS["vilbert"], schedule=(Attend(region=REGION, gate=True), FeedForward(REGION)))
    assert seen(gated).endswith("regions are read through a gate that the words open")


def test_heads_of_the_papers() -> None:
    uniter, visualbert, twelve = (dict(heads(SYSTEMS[name])) for name in ("uniter", "visualbert", "12in1"))
    assert uniter["choices"] == "a yes or no of each option; a hidden layer 2 times as wide"
    assert uniter["statements"].endswith("attend to each other")
    assert visualbert["statements"] == "both images in one row"
    assert twelve["statements"].endswith("side by side; a hidden layer as wide")
    assert "two images from two pooled pairs, a hidden layer as wide; " in twelve["together"]
    assert twelve["together"].endswith("region from each region; word from each word")
    assert set(dict(heads(SYSTEMS["bert"]))) == {"questions"}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_page_has_heads_in_words(name: str) -> None:
    assert all(what and text for what, text in heads(SYSTEMS[name]))
