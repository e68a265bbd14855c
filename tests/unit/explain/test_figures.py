from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from iconotext.explain.figures import HEIGHT, POINTS, WIDTH, Series, bars, panel, smooth, span, ticks

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@given(NUMBERS, st.floats(1e-6, 1e6))
def test_ticks_are_even_and_hold_what_is_between(low: float, extent: float) -> None:
    high = low + extent
    if high - low < 1e-6 * max(abs(low), 1e-6):
        return
    found = ticks(low, high)
    slack = 1e-3 * max(abs(low), abs(high))
    assert 2 <= len(found) <= 7
    assert found[0] <= low + slack
    assert found[-1] >= high - slack


@given(st.lists(NUMBERS, min_size=1, max_size=60), st.integers(0, 9))
def test_a_smooth_curve_stays_where_it_is(values: list[float], reach: int) -> None:
    y = np.array(values)
    line = 3.0 + 2.0 * np.arange(len(y))
    assert smooth(y, reach).shape == y.shape
    np.testing.assert_allclose(smooth(line, reach), line, atol=1e-9)


@given(st.lists(NUMBERS, min_size=1, max_size=600))
def test_every_point_lies_inside_the_panel(values: list[float]) -> None:
    drawn = panel("loss", [Series("a", [float(10 * i) for i in range(len(values))], values)])
    paths = re.findall(r' d="M([^"]+)"', drawn)
    assert paths
    for path in paths:
        points = np.array([[float(n) for n in point.split()] for point in path.split("L")])
        assert len(points) <= POINTS
        assert (points >= 0).all()
        assert (points[:, 0] <= WIDTH).all()
        assert (points[:, 1] <= HEIGHT).all()


def test_numbers_at_the_axis_stand_at_even_distances() -> None:
    drawn = panel("loss", [Series("", [0.0, 10.0, 20.0], [4.5, 3.0, 1.9])])
    left = re.findall(r'<text x="34" y="([\d.]+)" text-anchor="end">([^<]+)</text>', drawn)
    places, values = zip(*[(float(place), float(value)) for place, value in left])
    assert len(places) > 2
    assert np.ptp(np.diff(places)) < 0.2
    assert np.ptp(np.diff(values)) < 1e-9


def test_several_curves_have_a_legend_and_differ_by_more_than_colour() -> None:
    drawn = panel("vqa", [Series("with <b>", [1.0, 2.0], [3.0, 4.0]), Series("without", [1.0, 2.0], [5.0, 6.0])])
    assert "with &lt;b&gt;" in drawn
    assert 'class="curve c0"' in drawn
    assert 'class="curve c1"' in drawn
    assert drawn.count('class="key"') == 2


def test_a_curve_without_points_is_an_empty_panel() -> None:
    assert "<path" not in panel("itm", [Series("", [], [])])


def test_a_rate_is_drawn_as_it_is_and_a_loss_with_its_noise() -> None:
    x, y = list(map(float, range(64))), [float(i % 2) for i in range(64)]
    assert panel("learning rate", [Series("", x, y)], noisy=False).count("<path") == 1
    assert panel("mlm", [Series("", x, y)]).count("<path") == 2


def test_span() -> None:
    assert 'class="mark"' in span(0.7, 0.6, 0.8, 0.5)
    assert 'class="mark"' not in span(0.7, 0.6, 0.8, None)


def test_bars_mark_the_right_word() -> None:
    drawn = bars([("car", 0.9), ("<dog>", 0.05)], "car", "with")
    assert drawn.count('class="hit"') == 1
    assert drawn.count("✓") == 1
    assert "&lt;dog&gt;" in drawn
    assert "width:90.0%" in drawn
