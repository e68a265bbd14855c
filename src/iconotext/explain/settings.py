"""What a run was told and made with, folded away at the end of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iconotext.explain.html import Html, el, words
from iconotext.explain.page import Section
from iconotext.explain.runs import Run


def section(runs: Sequence[Run]) -> Section:
    """A folded block for each run that says what it is."""
    blocks = tuple(_block(run) for run in runs if run.about)
    lead = "Everything that decides the result of each run, as it was resolved when the run was made; click to unfold."
    return Section("settings", "Settings", lead, blocks, "" if blocks else "settings")


def _block(run: Run) -> Html:
    parts: dict[str, Mapping[str, Any]] = {
        "Options": run.options,
        "Training": _dictionary(run.about.get("train")),
        "System": {key: value for key, value in run.system.items() if not isinstance(value, dict | list)},
        "Versions": _dictionary(run.about.get("versions")),
        "Region features": _dictionary(run.features.get("fingerprint")),
    }
    known = {"command", "options", "train", "versions"}
    parts["Data and the rest"] = {key: value for key, value in run.about.items() if key not in known}
    body = [(el("h4", title), _list(values)) for title, values in parts.items() if values]
    title = f"iconotext {run.about['command']}" if run.about.get("command") else "settings"
    return el("details", el("summary", words(run.name), el("span", f" {title}", class_="soft")), body)


def _list(values: Mapping[str, Any]) -> Html:
    rows = [[el("dt", name), el("dd", words(value))] for name, value in flat(values)]
    return el("dl", rows)


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and texts; the class names of a config are left out."""
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif key != "type":
            yield name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={text}" for name, text in flat(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


def _dictionary(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
