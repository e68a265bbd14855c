"""The page of a region store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from iconotext.core.fingerprint import Fingerprint
from iconotext.explain.figures import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from iconotext.explain.html import Html, el, words
from iconotext.explain.numbers import number, plural, share, tick
from iconotext.explain.page import Section, document, wide

MOST = 30
"""The most bars of a list."""


def page(figures: Mapping[str, Any], fingerprint: Fingerprint) -> str:
    """The whole page from what ``measure`` found."""
    header = el(
        "header",
        el("p", "Region store", class_="kicker"),
        el("h1", figures["store"].rstrip("/").rsplit("/", 1)[-1]),
        el("p", _story(figures), class_="story"),
    )
    return document("Region store", header, list(_sections(figures, fingerprint)))


def _story(figures: Mapping[str, Any]) -> str:
    mean = figures["regions_a_picture"]["mean"]
    text = (
        f"{plural(figures['pictures'], 'picture')} with {plural(figures['regions'], 'region')}, {mean:.1f} a picture. "
    )
    text += f"They cover {share(figures['coverage']['mean'], 0)} of a picture on average."
    if figures["whole_pictures"]:
        text += f" Left out below: {plural(figures['whole_pictures'], 'region')} that show the whole picture."
    if figures["quarantined"]:
        text += f" {plural(figures['quarantined'], 'picture')} could not be used."
    return text


def _sections(figures: Mapping[str, Any], fingerprint: Fingerprint) -> Iterator[Section]:
    panels = [
        histogram("Regions a picture", "pictures", figures["regions_a_picture"]),
        histogram("Score", "regions", figures["score"]),
        histogram("Share of the picture that a region takes", "regions", figures["size_share"]),
        histogram("Share of the picture that its regions cover", "pictures", figures["coverage"]),
    ]
    lead = "How many there are, how sure the detector was, how large they are, and how much of a picture they show."
    yield Section("regions", "Regions", lead, (wide(*panels, class_="panels"),))
    if figures["classes"]:
        body: list[Html] = [_ranking(figures["classes"])]
        if figures["classes_without_regions"]:
            body.append(
                el("p", f"Classes that never came first: {len(figures['classes_without_regions'])}.", class_="note")
            )
        yield Section("classes", "Classes", "The most probable class of each region.", tuple(body))
    if any(name != "none" for name, _ in figures["attributes"]):
        yield Section("attributes", "Attributes", "The attribute of each region.", (_ranking(figures["attributes"]),))
    yield Section("twice", "What is there twice", "Repeats cost storage, and leak what is hidden.", (_twice(figures),))
    if figures["quarantine_reasons"] or figures["problems"]:
        reasons = [[reason, count] for reason, count in figures["quarantine_reasons"].items()]
        problems = [el("p", problem, class_="warning") for problem in figures["problems"]]
        yield Section(
            "aside", "Set aside", "Pictures that are not in the store, and why.", (_ranking(reasons), *problems)
        )
    made = {**asdict(fingerprint), **{f"feature {name}": value for name, value in figures["features"].items()}}
    entries = [part for name, value in made.items() for part in (el("dt", name), el("dd", _shown(value)))]
    yield Section(
        "made", "How they were made", "A model refuses regions that were made in another way.", (el("dl", entries),)
    )


def _twice(figures: Mapping[str, Any]) -> Html:
    lines = [
        el(
            "li", f"Regions that lie on another one of the same picture (IoU above 0.95): {figures['repeated_boxes']:,}"
        ),
        el("li", f"Pictures that have the same regions as another: {figures['same_pictures']:,}"),
    ]
    groups = [el("li", ", ".join(group[:8]) + (" …" if len(group) > 8 else "")) for group in figures["same_groups"]]
    return el("ul", lines, groups)


def histogram(title: str, unit: str, spread: Mapping[str, Any]) -> Html:
    """Upright bars over an axis; ``spread`` is a ``Spread`` as a dictionary."""
    counts, edges = spread["counts"], spread["edges"]
    most = max([*counts, 1])
    across, down = (WIDTH - LEFT - RIGHT) / len(counts), (HEIGHT - TOP - BOTTOM) / most
    bars = [
        el(
            "rect",
            el("title", f"{tick(round(low, 4))} to {tick(round(high, 4))}: {plural(count, unit.rstrip('s'))}"),
            x=round(LEFT + index * across + 0.5, 1),
            y=round(HEIGHT - BOTTOM - count * down, 1),
            width=round(across - 1, 1),
            height=round(count * down, 1),
            fill="var(--accent)",
        )
        for index, (count, low, high) in enumerate(zip(counts, edges, edges[1:]))
    ]
    base = el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, class_="grid")
    marks = [
        el("text", tick(round(edges[at], 3)), x=place, y=HEIGHT - 6, text_anchor=anchor)
        for at, place, anchor in ((0, LEFT, "start"), (-1, WIDTH - RIGHT, "end"))
    ]
    marks.append(el("text", tick(most), x=LEFT - 6, y=TOP + 8, text_anchor="end"))
    about = f"{number(spread['low'])} to {number(spread['high'])}, mean {number(spread['mean'])}"
    svg = el("svg", base, bars, marks, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{title}: {about}")
    return el(
        "figure",
        el("figcaption", el("b", title), " ", el("span", f"{unit}; {about}", class_="soft")),
        svg,
        class_="panel",
    )


def _ranking(counted: Sequence[Sequence[Any]]) -> Html:
    """Names with their counts as bars, the most frequent first."""
    total = max(sum(count for _, count in counted), 1)
    most = max([count for _, count in counted] or [1])
    rows = [
        el(
            "li",
            el("span", words(str(name)), class_="word"),
            el("span", el("span", style=f"width:{100 * count / most:.1f}%"), class_="bar"),
            el("span", share(count / total, 0)),
        )
        for name, count in counted[:MOST]
    ]
    rest = len(counted) - MOST
    return el("div", el("ol", rows, class_="bars"), el("p", f"and {rest} more", class_="note") if rest > 0 else None)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
