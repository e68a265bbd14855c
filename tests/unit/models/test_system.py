"""A system as data: sizes, streams, and its way to JSON and back."""

from __future__ import annotations

import dataclasses
import json

import pytest
from samples import PAGES, tiny

from iconotext.core.config import from_data, to_data
from iconotext.core.errors import ConfigError
from iconotext.models.checkpoint import CLASSES
from iconotext.models.system import System
from iconotext.nn.schedule import co_layer, cross_layer, joint_layer, text_layer, twin_layer
from iconotext.systems import SYSTEMS
from iconotext.systems.uniter import UNITER

EVERY = pytest.mark.parametrize("page", SYSTEMS.values(), ids=SYSTEMS)


@EVERY
def test_every_size_comes_back_from_its_config(page: System) -> None:
    for size in ("base", *page.sizes):
        sized = page.at(size)
        assert from_data(json.loads(json.dumps(to_data(sized))), CLASSES) == sized


@EVERY
def test_a_page_is_a_value(page: System) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        page.width = 1  # type: ignore[misc]
    assert page.at("base") is page
    assert dataclasses.replace(page) == page


@EVERY
def test_an_unknown_size_names_the_known_ones(page: System) -> None:
    with pytest.raises(ConfigError, match=rf"{page.title} has no size 'huge'; it has: base, tiny"):
        page.at("huge")


def test_another_size_changes_what_it_names_and_nothing_else() -> None:
    large = UNITER.at("large")
    named = set(UNITER.sizes["large"])
    for field in dataclasses.fields(System):
        differs = getattr(large, field.name) != getattr(UNITER, field.name)
        assert differs == (field.name in named)


@pytest.mark.parametrize(
    ("schedule", "streams", "separable"),
    [
        (2 * joint_layer(), "single-stream", False),
        (text_layer() + co_layer(8, 2) + twin_layer(), "dual-stream", False),
        (twin_layer() + cross_layer(), "dual-stream", False),
        (twin_layer() + joint_layer(), "dual-stream", False),
        (3 * twin_layer(), "dual encoder", True),
    ],
)
def test_streams_follow_from_the_schedule(schedule: tuple, streams: str, separable: bool) -> None:
    page = tiny(UNITER, schedule=schedule)
    assert (page.streams, page.separable) == (streams, separable)


def test_streams_of_the_systems() -> None:
    assert {name: page.streams for name, page in PAGES.items()} == {"uniter": "single-stream", "vilbert": "dual-stream"}
