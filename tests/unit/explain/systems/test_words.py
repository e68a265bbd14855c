"""Pages in words and in drawings."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from iconotext.explain.systems.words import cited, drawn, layers, lines, manner, mixture, said, settings, title
from iconotext.nn.schedule import (
    Attend,
    FeedForward,
    Schedule,
    co_layer,
    cross_layer,
    joint_layer,
    text_layer,
    twin_layer,
)
from iconotext.nn.terms import Feature, Location, Segment, Word
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import OneAtATime, Phases, Together
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.wra import WRA
from iconotext.systems import SYSTEMS
from iconotext.systems.bert import BERT
from iconotext.systems.lxmert import LXMERT
from iconotext.systems.uniter import UNITER


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (12 * joint_layer(), "12 joint"),
        (6 * text_layer() + 6 * (co_layer(width=1024, heads=8) + twin_layer()), "6 text + 6 (co + twin)"),
        (5 * twin_layer() + 4 * text_layer() + 5 * cross_layer(), "5 twin + 4 text + 5 cross"),
        (text_layer() + co_layer(), "1 (text + co)"),
        ((Attend(text=("text", "region")), FeedForward(("text",))), "1 text reads text+region"),
    ],
)
def test_a_schedule_reads_as_it_is_written(schedule: Schedule, text: str) -> None:
    assert layers(schedule) == text


@dataclass(frozen=True)
class RoundThing:
    """Something that a page might hold."""

    kind: str
    sides: int = 4
    soft: bool = False
    hard: bool = True
    masks: RegionMasks = RegionMasks()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Word(), "word"),
        (Location("box5", norm=True), "location (box5, norm)"),
        (Feature(norm=True, masked="learned"), "feature (norm, masked learned)"),
        ((Word(), Segment(size=3)), "word, segment (size 3)"),
        (RoundThing("big_one"), "round thing (big one)"),
        (RoundThing("x", 2048, True, False), "round thing (x, sides 2,048, soft, not hard)"),
        (RoundThing("x", masks=RegionMasks(keep=0.1)), "round thing (x, masks: keep 0.1)"),
        (MRC("soft", per="class"), "MRC soft (per class)"),
        (MLM(weight=1 / 0.15), "MLM (weight 6.67)"),
    ],
)
def test_a_value_is_what_it_is_and_what_is_unusual_about_it(value: object, text: str) -> None:
    assert said(value) == text


def test_settings_may_be_left_out() -> None:
    assert settings(RoundThing("x", 5), leave=("kind",)) == ["sides 5"]


@pytest.mark.parametrize(
    ("mix", "text", "short"),
    [
        (MLM(), "MLM", "alone"),
        (Together((MLM(), ITM())), "MLM with ITM", "all together"),
        (OneAtATime(((2, MLM()), (1, ITM()))), "one a batch: 2 x MLM, 1 x ITM", "one a batch"),
        (
            OneAtATime(((2, Together((ITM(), WRA()))), (1, MLM()))),
            "one a batch: 2 x (ITM with WRA), 1 x MLM",
            "one group a batch",
        ),
        (Phases(((0.3, MLM()), (0.7, ITM()))), "0.3 of the run MLM; then 0.7 of the run ITM", "in phases"),
    ],
)
def test_a_mix_in_words(mix: object, text: str, short: str) -> None:
    assert mixture(mix) == text  # type: ignore[arg-type]
    assert manner(mix) == short  # type: ignore[arg-type]


def test_names_of_objectives() -> None:
    assert [title(o) for o in (MLM(), MRC("hard"), ITM())] == ["MLM", "MRC hard", "ITM"]


@pytest.mark.parametrize(
    ("paper", "short"),
    [
        ("Chen et al., UNITER: UNiversal, Image-TExt, ECCV 2020", "Chen et al., ECCV 2020"),
        ("Tan and Bansal, LXMERT: Learning and more, EMNLP 2019", "Tan and Bansal, EMNLP 2019"),
        ("after Sun et al., One, NAACL 2021, and Radford et al., Two, ICML 2021", None),
        ("a baseline of our own, in the manner of Lu et al., NeurIPS 2016", None),
    ],
)
def test_a_paper_is_cited_by_authors_and_venue(paper: str, short: str | None) -> None:
    assert cited(paper) == (short or paper)


def test_a_drawing_has_a_row_for_each_attention_and_says_how_often() -> None:
    assert drawn(LXMERT).splitlines()[2:] == [
        "     │                           │",
        "5 x  ■ reads text, feed-forward  ■ reads region, feed-forward",
        "     │                           │",
        "4 x  ■ reads text, feed-forward  │",
        "     │                           │",
        "5 x  ■ reads region (tied)       ■ reads text (tied)",
        "     ■ reads text, feed-forward  ■ reads region, feed-forward",
        "     │                           │",
        "     first token",
    ]
    assert "region" not in drawn(BERT)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_page_says_all_of_its_parts(name: str) -> None:
    page = SYSTEMS[name]
    for size in ("base", *page.sizes):
        told = dict(lines(page.at(size)))
        assert told["streams"] == page.streams
        assert all(told.values())
        assert "type" not in told["objectives"]
        assert drawn(page.at(size)).count(" x  ■") == told["schedule"].count(" + ") + 1 - told["schedule"].count("(")


def test_a_page_in_words() -> None:
    told = dict(lines(UNITER))
    assert told["words"] == "word, position, segment"
    assert told["regions"] == "feature (norm, masked learned), location (box7, norm), segment (shared)"
    assert told["norms"] == "after each sublayer, eps 1e-12"
    assert dict(lines(UNITER.at("tiny")))["norms"].startswith("before")
