from __future__ import annotations

import pytest

from iconotext.explain.numbers import DASH, THIN, duration, interval, millions, number, plural, share, tick


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.713, 1, f"71.3{THIN}%"),
        (0.004, 0, f"<{THIN}1{THIN}%"),
        (0.997, 0, f">{THIN}99{THIN}%"),
        (0.0, 0, f"0{THIN}%"),
        (1.0, 1, f"100.0{THIN}%"),
        (12.5, 1, "12.5"),
    ],
)
def test_share(value: float, digits: int, text: str) -> None:
    assert share(value, digits) == text


def test_interval() -> None:
    assert interval(0.681, 0.742) == f"68.1{THIN}{DASH}{THIN}74.2{THIN}%"
    assert interval(2, 3.5) == f"2{THIN}{DASH}{THIN}3.5"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.31, "0.3 s"), (54, "54 s"), (60, "1 min"), (195.2, "3 min 15 s"), (7260, "2 h 1 min"), (90000, "1 d 1 h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds).replace(THIN, " ").replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1500, "1.5k"), (5e-5, "5e-5"), (0.25, "0.25"), (-0.01, "\N{MINUS SIGN}0.01"), (12000, "12k")],
)
def test_tick(value: float, text: str) -> None:
    assert tick(value) == text


def test_counts() -> None:
    assert (number(1178.4), number(0.5), number(3.0), number(2e-5)) == ("1,178", "0.5", "3", "2e-5")
    assert (millions(1_912_345), millions(12_000)) == ("1.91 million", "12,000")
    assert (plural(1, "step"), plural(2000, "step")) == ("1 step", "2,000 steps")
