"""``iconotext systems``: what there is to train, what a system's page says, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from iconotext.core.errors import ConfigError
from iconotext.explain.systems.counts import USUAL
from iconotext.explain.systems.diff import differences, own
from iconotext.explain.systems.forms import heads
from iconotext.explain.systems.page import BEGIN, COLUMNS, TUNED, between, files, numbers, row
from iconotext.explain.systems.words import drawn, lines
from iconotext.recipes.named import page_of
from iconotext.systems import SYSTEMS

MEASURED = "speed.md"
"""The page in the same folder that bench/systems.py writes."""


@dataclass(frozen=True)
class SystemsOptions:
    """List the systems, or draw one and say in words what its page says."""

    name: Positional[Annotated[str, arg(metavar="NAME")]] = ""
    """A system's name, or a page of your own as MODULE:NAME; all systems when it is left out."""
    size: str = "base"
    """A size of the system's page."""


@dataclass(frozen=True)
class DiffOptions:
    """Say in words how two systems differ."""

    one: Positional[str]
    """A system's name."""
    other: Positional[str]
    """Another's."""
    size: str = "base"
    """A size that both have."""


@dataclass(frozen=True)
class PagesOptions:
    """Write docs/systems and the table of the README from the systems' pages, in a checkout of Iconotext."""

    root: Positional[Path]
    """The checkout."""


def run(options: SystemsOptions) -> None:
    """Print the list or the page.

    Raises:
        ConfigError: for a name that is not in the table, or a size that is not on the page.
    """
    console = Console(highlight=False)
    if not options.name:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for column in COLUMNS:
            table.add_column(column, no_wrap=column in ("system", "streams"))
        for page in SYSTEMS.values():
            table.add_row(page.name, *row(page)[1:])
        console.print(table)
        return
    page = page_of(options.name, options.size)
    console.print(f"[bold]{page.title}[/bold]  {page.paper}\n")
    console.print(drawn(page), markup=False, soft_wrap=True)
    console.print()
    show(console, lines(page))
    console.print(f"\n[bold]fine-tuning[/bold]  {TUNED}")
    show(console, heads(page))
    console.print(f"\n[bold]With {USUAL.said()}[/bold]")
    show(console, numbers(page).items())
    alone = own(page, [other for other in SYSTEMS.values() if other.name != page.name])
    for title, told in (("its own", [": ".join(thing) for thing in alone]), ("departures", page.departures)):
        if told:
            console.print(f"\n[bold]{title}[/bold]")
            for text in told:
                console.print(f"- {text}", markup=False)


def diff(options: DiffOptions) -> None:
    """Print how two systems differ.

    Raises:
        ConfigError: for a name that is not in the table, or a size that one of them has not.
    """
    console = Console(highlight=False)
    one, other = (page_of(name, options.size) for name in (options.one, options.other))
    found = list(differences(one, other))
    if not found:
        console.print(f"{one.title} and {other.title} compute and train alike.")
    show(console, found)


def write(options: PagesOptions) -> None:
    """Write the pages; those of systems that are gone are removed.

    Raises:
        ConfigError: the folder is no checkout.
    """
    readme, folder = options.root / "README.md", options.root / "docs" / "systems"
    if not readme.is_file() or BEGIN not in readme.read_text("utf-8"):
        raise ConfigError(f"{options.root} is no checkout of Iconotext: its README.md has no place for the systems.")
    folder.mkdir(parents=True, exist_ok=True)
    made = files(SYSTEMS)
    for gone in {path.name for path in folder.glob("*.md")} - made.keys() - {MEASURED}:
        (folder / gone).unlink()
    for name, text in made.items():
        (folder / name).write_text(text, "utf-8")
    text = between(readme.read_text("utf-8"), list(SYSTEMS.values()), "docs/systems/")
    readme.write_text(text, "utf-8")


def show(console: Console, told: Iterable[tuple[str, str]]) -> None:
    """Prints (what, in words) in two columns."""
    grid = Table.grid(padding=(0, 2))
    for what, text in told:
        grid.add_row(Text(what, style="bold"), Text(text))
    console.print(grid)
