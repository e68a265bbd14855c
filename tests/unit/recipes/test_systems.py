from __future__ import annotations

import pytest

from iconotext.core.errors import ConfigError
from iconotext.nn.schedule import Attend, FeedForward, co_layer, cross_layer, joint_layer, text_layer, twin_layer
from iconotext.recipes.systems import SystemsOptions, layers, lines, run
from iconotext.systems import SYSTEMS


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (12 * joint_layer(), "12 joint"),
        (6 * text_layer() + 6 * (co_layer(width=1024, heads=8) + twin_layer()), "6 text + 6 (co + twin)"),
        (5 * twin_layer() + 4 * text_layer() + 5 * cross_layer(), "5 twin + 4 text + 5 cross"),
        (text_layer() + co_layer(), "1 (text + co)"),
        ((Attend(text=("text", "region")), FeedForward(("text",))), "1 other"),
    ],
)
def test_a_schedule_reads_as_it_is_written(schedule, text: str) -> None:
    assert layers(schedule) == text


def test_the_list_has_every_system(capsys: pytest.CaptureFixture[str]) -> None:
    run(SystemsOptions())
    text = capsys.readouterr().out
    assert all(name in text for name in SYSTEMS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_page_in_words(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = SYSTEMS[name]
    told = dict(lines(page))
    assert told["streams"] == page.streams
    assert told[page.title] == page.paper
    run(SystemsOptions(name))
    assert page.title in capsys.readouterr().out


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="uniter"):
        run(SystemsOptions("unitre"))
