"""A system's page as Markdown, and the table of all systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iconotext.explain.systems.counts import USUAL, built, flops, parameters, tokens
from iconotext.explain.systems.diff import own
from iconotext.explain.systems.forms import heads
from iconotext.explain.systems.words import cited, drawn, layers, lines, manner, objective_names
from iconotext.models.system import System

BEGIN, END = "<!-- systems: made by `make pages` -->", "<!-- end of systems -->"
TUNED = "The head of each task: that of the system's papers where they do the task, and the usual one elsewhere."
COLUMNS = ("system", "streams", "schedule", "location", "objectives", "mix", "paper")


def row(page: System) -> tuple[str, ...]:
    """The system in the table of all: streams, schedule, location, objectives, mix, paper."""
    return (
        page.title,
        page.streams,
        layers(page.schedule),
        page.region.location,
        ", ".join(objective_names(page.mix)),
        manner(page.mix),
        cited(page.paper),
    )


def numbers(page: System) -> dict[str, str]:
    """Parameters by part, their sum, and the operations of a pair."""
    model = built(page)
    counted = parameters(model)
    found = {name: f"{count:,}" for name, count in counted.items()}
    found["parameters"] = f"{sum(counted.values()):,}"
    found["GFLOPs a pair"] = f"{flops(model.trunk, tokens(page)) / 1e9:.3g}"
    return found


def table(pages: Sequence[System], folder: str) -> str:
    """All systems as a Markdown table with links to their pages in ``folder``."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for page in pages:
        first, *rest = row(page)
        rows.append((f"[{first}]({folder}{page.name}.md)", *rest))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def markdown(page: System, others: Sequence[System]) -> str:
    """The page of one system."""
    facts = [f"| {what} | {text} |" for what, text in lines(page)]
    counted = [f"| {name} | {count} |" for name, count in numbers(page).items()]
    parts = [
        f"# {page.title}",
        page.paper + ".",
        f"```\n{drawn(page)}\n```",
        "\n".join(["| | |", "|---|---|", *facts]),
        f"## Fine-tuning\n{TUNED}",
        "\n".join(["| | |", "|---|---|", *(f"| {task} | {head} |" for task, head in heads(page))]),
        f"## Numbers\nWith {USUAL.said()}.",
        "\n".join(["| | |", "|---|---:|", *counted]),
    ]
    alone = own(page, others)
    if alone:
        parts += [
            "## Its own\nWhat no other system here has.",
            "\n".join(f"- {part}: {thing}" for part, thing in alone),
        ]
    if page.departures:
        parts += ["## Departures", "\n".join(f"- {text}" for text in page.departures)]
    for size in page.sizes:
        changed = page.at(size).departures[len(page.departures) :]
        if changed:
            parts += [f"## Size {size}", "\n".join(f"- {text}" for text in changed)]
    return "\n\n".join(parts) + "\n"


def files(systems: Mapping[str, System]) -> dict[str, str]:
    """Every page of ``docs/systems`` by its file name."""
    pages = list(systems.values())
    made = "Made from the pages in `src/iconotext/systems` by `make pages`."
    index = f"# Systems\n\n{table(pages, '')}\n\n{made}\n"
    return {"README.md": index, **{f"{page.name}.md": markdown(page, pages) for page in pages}}


def between(text: str, pages: Sequence[System], folder: str) -> str:
    """``text`` with the table of all systems between its two marks.

    Raises:
        ValueError: it has no marks.
    """
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table(pages, folder)}\n{END}{rest.split(END)[1]}"
