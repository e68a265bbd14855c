"""The frame of a report: one HTML file that needs nothing else, for a screen of any width, light or dark, and for paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import iconotext
from iconotext.explain.html import Html, el, join

COMMANDS = {
    "measures": "iconotext measure",
    "evaluation": "iconotext finetune, then iconotext evaluate",
    "questions": "iconotext finetune vqa, then iconotext evaluate",
    "log": "iconotext pretrain",
    "settings": "iconotext pretrain",
}
"""Which command makes what a report shows."""


@dataclass(frozen=True)
class Section:
    """A part of the page: a title, one sentence that says what one sees, and what there is to see."""

    ident: str
    title: str
    lead: str
    body: tuple[Html, ...]
    missing: str = ""
    """What made it empty, as a key of ``COMMANDS``; the page then leaves it out and names the command at its end."""


def document(
    title: str, header: Html, sections: Sequence[Section], licence: str = "", beside: str = "report.json"
) -> str:
    """The whole page; ``licence`` is that of the pictures, ``beside`` the file that holds the figures."""
    there = [section for section in sections if not section.missing]
    links = [el("a", section.title, href=f"#{section.ident}") for section in there]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", Html(files("iconotext.explain").joinpath("report.css").read_text("utf-8"))),
    )
    made = f"Written by iconotext {iconotext.__version__}. The figures are beside this page in {beside}."
    foot = el("footer", el("p", made), el("p", f"Pictures: {licence}.") if licence else None)
    nav = el("nav", links, aria_label="Sections") if len(links) > 1 else None
    body = el("body", el("main", header, nav, [_section(section) for section in there], _missing(sections), foot))
    return "<!doctype html>\n" + el("html", head, "\n", body, lang="en") + "\n"


def _section(section: Section) -> Html:
    return el("section", el("h2", section.title), el("p", section.lead, class_="lead"), section.body, id=section.ident)


def _missing(sections: Sequence[Section]) -> Html | None:
    """What is left out, a line for each command that makes some of it."""
    titles: dict[str, list[str]] = {}
    for section in sections:
        if section.missing:
            titles.setdefault(section.missing, []).append(section.title)
    if not titles:
        return None
    lines = [el("li", "; ".join(found), ": ", command(key)) for key, found in titles.items()]
    lead = el(
        "p", "These parts were left out, since nothing was found for them. Each is made by the command beside it."
    )
    return el("section", el("h2", "Not made yet"), lead, el("ul", lines, class_="missing"), id="missing")


def command(key: str) -> Html:
    """The command that makes something."""
    parts = COMMANDS[key].split(", then ")
    return join([el("code", parts[0]), *([", then ", el("code", parts[1])] if len(parts) > 1 else [])])


def wide(*children: object, class_: str = "") -> Html:
    """Something that may be wider than the text."""
    return el("div", *children, class_=f"wide {class_}".strip())
