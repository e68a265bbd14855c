"""Plots as SVG inside the page: their colours follow the page's, light or dark."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iconotext.explain.html import Html, el, join, words
from iconotext.explain.numbers import share, tick

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 8, 24
POINTS = 240
"""The most points of a curve; more are averaged, since a reader cannot see them."""


@dataclass(frozen=True)
class Series:
    """A curve with its name; ``x`` ascends."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Axes:
    """From data to places in the drawing; ``marks`` are the numbers at the vertical axis, from its one end to the other."""

    x: tuple[float, float]
    marks: list[float]

    def across(self, value: float) -> float:
        """The place on the horizontal axis."""
        return round(LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT), 1)

    def up(self, value: float) -> float:
        """The place on the vertical axis."""
        low, high = self.marks[0], self.marks[-1]
        inside = min(max(value, low), high)
        # Marks are rounded for the eye: numbers that differ by less than their last digit share one.
        return round(HEIGHT - BOTTOM - (inside - low) / ((high - low) or 1.0) * (HEIGHT - TOP - BOTTOM), 1)


def panel(
    title: str, series: Sequence[Series], about: str = "", last_x: float = 0.0, zero: bool = False, noisy: bool = True
) -> Html:
    """A figure with one or more curves.

    A noisy curve is drawn pale as it was logged, on it a local line through its neighbours (with several curves the lines
    alone). ``last_x`` sets a common end of the horizontal axis, ``zero`` begins the vertical axis at 0.
    """
    drawn = [_thin(one) for one in series if len(one.x)]
    axes = _axes(drawn, last_x, zero)
    several = len(drawn) > 1
    marks = [_curve(axes, one, index, several, noisy) for index, one in enumerate(drawn)]
    text = "; ".join(f"{one.name}: from {tick(_short(one.y[0]))} to {tick(_short(one.y[-1]))}" for one in drawn)
    size = f"0 0 {WIDTH} {HEIGHT}"
    svg = el("svg", _grid(axes), marks, viewBox=size, role="img", aria_label=f"{title}. {text}")
    keys = [el("span", swatch(i), words(one.name), class_="key") for i, one in enumerate(drawn)]
    legend = el("div", keys) if several else None
    head = el("figcaption", el("b", words(title)), " ", el("span", about, class_="soft"), legend)
    return el("figure", head, svg, class_="panel")


def swatch(index: int) -> Html:
    """The line of a curve's legend."""
    line = el("line", x1=1, x2=21, y1=5, y2=5, class_=f"curve c{index % 4}")
    return el("svg", line, viewBox="0 0 22 10", class_="swatch", aria_hidden="true")


def span(value: float, low: float, high: float, bar: float | None) -> Html:
    """A share on a line from 0 to 1: a dot, its interval, and an upright stroke where the bar is."""

    def at(share_: float) -> float:
        return round(4 + 192 * min(max(share_, 0.0), 1.0), 1)

    parts = [
        el("line", x1=4, x2=196, y1=9, y2=9, class_="track"),
        el("line", x1=at(low), x2=at(high), y1=9, y2=9, class_="range"),
        el("line", x1=at(bar), x2=at(bar), y1=1, y2=17, class_="mark") if bar is not None else None,
        el("circle", cx=at(value), cy=9, r=2.6, class_="dot"),
    ]
    return el("svg", parts, viewBox="0 0 200 18", class_="span", aria_hidden="true")


def bars(guesses: Sequence[tuple[str, float]], right: str, kind: str) -> Html:
    """Words with their probabilities as bars, the right word marked by a tick and by weight."""
    rows = []
    for word, probability in guesses:
        hit = word == right
        fill = el("span", style=f"width:{100 * min(max(probability, 0.0), 1.0):.1f}%")
        name = [words(word), el("span", " ✓", class_="yes") if hit else None]
        cells = [el("span", name, class_="word"), el("span", fill, class_="bar"), el("span", share(probability, 0))]
        rows.append(el("li", cells, class_="hit" if hit else None))
    return el("ol", rows, class_=f"bars {kind}")


def _axes(drawn: Sequence[Series], last_x: float, zero: bool) -> Axes:
    xs = [x for one in drawn for x in one.x] or [0.0, 1.0]
    ys = np.array([y for one in drawn for y in one.y] or [0.0, 1.0])
    low, high = float(ys.min()), float(np.quantile(ys, 0.995)) if len(ys) > 20 else float(ys.max())
    low = 0.0 if zero or 0 < low < 0.3 * high else low
    marks = ticks(low, high if high > low else low + (abs(low) or 1.0))
    return Axes((0.0, max(*xs, last_x, 1.0)), marks)


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, about ``wanted`` of them."""
    raw = max((high - low) / max(wanted - 1, 1), 1e-300)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [_short(i * step) for i in range(first, max(last, first + 1) + 1)]


def _grid(axes: Axes) -> Html:
    parts = []
    for value in axes.marks:
        y = axes.up(value)
        parts.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(el("text", tick(value), x=LEFT - 6, y=round(y + 4, 1), text_anchor="end"))
    end = axes.x[1]
    for value in [step for step in ticks(0.0, end, wanted=5) if step <= end]:
        x = axes.across(value)
        anchor = "end" if x > WIDTH - RIGHT - 12 else "middle"
        parts.append(el("text", tick(value), x=x, y=HEIGHT - 6, text_anchor=anchor))
    return join(parts)


def _curve(axes: Axes, one: Series, index: int, several: bool, noisy: bool) -> Html:
    style = f"curve c{index % 4}"
    y = np.asarray(one.y, dtype=np.float64)
    reach = len(y) // 16 if noisy else 0
    calm = el("path", d=_path(axes, one.x, smooth(y, reach)), class_=style)
    if several or not reach:
        return calm
    return join([el("path", d=_path(axes, one.x, y), class_=f"{style} raw"), calm])


def _path(axes: Axes, x: Sequence[float], y: Float[np.ndarray, "P"]) -> str:
    return "M" + "L".join(f"{axes.across(a):g} {axes.up(float(b)):g}" for a, b in zip(x, y))


def smooth(y: Float[np.ndarray, "P"], reach: int) -> Float[np.ndarray, "P"]:
    """Each value replaced by that of a straight line through ``reach`` neighbours to each side (fewer at the ends).

    A mean over fewer neighbours would be restless at the ends, one over a side alone would be shifted.
    """
    if not reach:
        return y
    calm = np.empty_like(y)
    for at in range(len(y)):
        near = np.arange(max(0, at - reach), min(len(y), at + reach + 1))
        away = near - near.mean()
        spread = float(away @ away)
        slope = float(away @ y[near]) / spread if spread else 0.0
        calm[at] = y[near].mean() + slope * (at - near.mean())
    return calm


def _thin(one: Series) -> Series:
    """At most ``POINTS`` points, each the mean of its neighbours."""
    if len(one.x) <= POINTS:
        return one
    cuts = np.linspace(0, len(one.x), POINTS + 1).astype(int)
    pairs = list(itertools.pairwise(cuts.tolist()))
    x, y = np.asarray(one.x, np.float64), np.asarray(one.y, np.float64)
    return Series(one.name, [float(x[a:b].mean()) for a, b in pairs], [float(y[a:b].mean()) for a, b in pairs])


def _short(value: float) -> float:
    """Without the noise of binary fractions."""
    return float(f"{value:.4g}")
