"""Schedules: what the helpers make, who is separable, and the order in which ViLBERT runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iconotext.nn.schedule import (
    BOTH,
    REGION,
    TEXT,
    Attend,
    FeedForward,
    Schedule,
    apart,
    co_layer,
    cross_layer,
    joint_layer,
    region_layer,
    separable,
    text_layer,
    twin_layer,
)
from iconotext.systems.vilbert import VILBERT


@pytest.mark.parametrize(
    ("layer", "streams", "read"),
    [
        (text_layer(), TEXT, TEXT),
        (region_layer(), REGION, REGION),
        (twin_layer(), BOTH, BOTH),
        (joint_layer(), BOTH, BOTH),
        (co_layer(), BOTH, BOTH),
        (co_layer(width=1024, heads=8), BOTH, BOTH),
    ],
)
def test_a_layer_is_one_attention_and_one_feed_forward(
    layer: Schedule, streams: tuple[str, ...], read: tuple[str, ...]
) -> None:
    attend, forward = layer
    assert isinstance(attend, Attend)
    assert isinstance(forward, FeedForward)
    assert (attend.streams, attend.read, forward.streams) == (streams, read, streams)
    assert attend.tied == forward.tied == (layer == joint_layer())


def test_a_cross_layer_reads_the_other_with_shared_weights_then_itself() -> None:
    cross, own, forward = cross_layer()
    assert cross == Attend(text=REGION, region=TEXT, tied=True)
    assert own == twin_layer()[0]
    assert forward == FeedForward(BOTH)


def test_a_stream_that_only_is_read_is_not_changed() -> None:
    layer = Attend(text=REGION)
    assert layer.streams == TEXT
    assert layer.read == REGION
    assert layer.reads("region") == ()


@pytest.mark.parametrize(
    ("schedule", "apart"),
    [
        (12 * text_layer(), True),
        (3 * twin_layer(), True),
        (2 * text_layer() + 2 * region_layer() + twin_layer(), True),
        (12 * joint_layer(), False),
        (3 * twin_layer() + co_layer(), False),
        (3 * twin_layer() + cross_layer(), False),
        ((*twin_layer(), Attend(text=BOTH)), False),
        ((*twin_layer(), Attend(region=TEXT)), False),
    ],
)
def test_separable(schedule: Schedule, apart: bool) -> None:
    assert separable(schedule) is apart


@pytest.mark.parametrize(
    ("schedule", "before"),
    [
        (VILBERT.schedule, 12),
        (2 * joint_layer(), 0),
        (2 * twin_layer() + text_layer() + cross_layer(), 6),
        (text_layer(), 2),
    ],
)
def test_how_far_the_streams_stay_apart(schedule: Schedule, before: int) -> None:
    assert apart(schedule) == before


def calls(schedule: Schedule) -> Iterator[set[str]]:
    """What runs at each attention, in the original's names: t and v layers, c connections; twins run at once."""
    counts = {"t": 0, "v": 0, "c": 0}
    for layer in schedule:
        if not isinstance(layer, Attend):
            continue
        kinds = "c" if "region" in layer.text else ("t" if layer.text else "") + ("v" if layer.region else "")
        yield {f"{kind}{counts[kind]}" for kind in kinds}
        for kind in kinds:
            counts[kind] += 1


def test_vilbert_runs_in_the_originals_order() -> None:
    expected = [{f"t{i}"} for i in range(6)]
    for k in range(6):
        expected += [{f"c{k}"}, {f"v{k}", f"t{6 + k}"}]
    assert list(calls(VILBERT.schedule)) == expected
