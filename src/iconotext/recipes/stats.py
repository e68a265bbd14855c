"""``iconotext stats``: what is in a region store, as a page and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from tyro.conf import Positional

from iconotext.core.files import write_bytes, write_json
from iconotext.data.store import RegionStore
from iconotext.explain.regions.figures import measure
from iconotext.explain.regions.page import page


@dataclass(frozen=True)
class StatsOptions:
    """Write a page on a region store: counts, sizes, scores, classes, coverage, what is there twice, what was set aside.

    The page is one file that needs nothing else; its figures are beside it in report.json.
    """

    store: Positional[Path]
    """The region store."""
    out: Path | None = None
    """Folder for index.html and report.json; None takes the store's name with -stats."""


def run(options: StatsOptions) -> Path:
    """Writes the page and returns its path.

    Raises:
        DataError: there is no store.
    """
    store = RegionStore.open(options.store)
    folder = options.out or store.path.with_name(f"{store.path.name}-stats")
    figures = measure(store)
    write_json(folder / "report.json", figures)
    file = folder / "index.html"
    write_bytes(file, page(figures, store.fingerprint).encode())
    Console(highlight=False, soft_wrap=True).print(
        f"[bold]{file}[/bold]  {figures['pictures']:,} pictures, {figures['regions']:,} regions; figures in report.json"
    )
    return file
