"""A page on which two models are compared case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iconotext.explain.html import Html, el, words
from iconotext.explain.numbers import share
from iconotext.explain.page import Section, wide
from iconotext.explain.pictures import Pictures

Case = Mapping[str, Any]
WIDTH = 256


def table(differences: Sequence[Mapping[str, Any]], first: str, second: str) -> Section:
    """The figures of both models, how they differ, and how sure that is; each entry is a ``Difference`` as a mapping."""
    heads = ("Figure", first, second, "difference", "95 %", "p", "cases")
    rows = [
        el(
            "tr",
            el("th", words(str(entry["name"])), scope="row"),
            *(el("td", cell) for cell in cells(entry)),
        )
        for entry in differences
    ]
    head = el("thead", el("tr", [el("th", text, scope="col") for text in heads]))
    lead = (
        "Both models were asked the same. The interval and p come from a paired bootstrap over what was drawn independently, "
        "such as pictures; p is not corrected for the number of rows."
    )
    return Section("figures", "How they differ", lead, (wide(el("table", head, el("tbody", rows))),))


def cells(entry: Mapping[str, Any]) -> list[str]:
    """The cells of one difference: both figures, their difference in points, its interval, p, cases."""
    points = [f"{100 * float(entry[name]):+.1f}" for name in ("value", "low", "high")]
    figures = [share(float(entry[name])) for name in ("first", "second")]
    return [*figures, points[0], f"{points[1]} to {points[2]}", f"{float(entry['p']):.3f}", f"{entry['n']:,}"]


def cases(ident: str, title: str, found: Sequence[Case], names: tuple[str, str], pictures: Pictures) -> Section:
    """Cases with their pictures and what each of the two said."""
    cards = [_card(case, names, pictures) for case in found]
    body = wide(cards, class_="cards small") if cards else el("p", "None.")
    return Section(ident, title, "The largest differences first, one a picture while there are others.", (body,))


def _card(case: Case, names: tuple[str, str], pictures: Pictures) -> Html:
    said = [
        el("p", el("b", name), ": ", words(str(case[f"predicted_{side}"])), _value(case[f"value_{side}"]))
        for name, side in zip(names, ("a", "b"))
    ]
    right = el("p", "right: ", words(str(case["right"])), class_="soft") if case["right"] else None
    return el(
        "article",
        pictures.framed(case["images"], case.get("boxes") or {}, WIDTH),
        el("p", words(case["text"]), class_="question"),
        said,
        right,
        class_="card",
    )


def _value(value: float) -> Html:
    return el("span", f" {share(value, 0)}", class_="soft")
