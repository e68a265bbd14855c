"""``iconotext systems``: what there is to train, and what a system's page says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.nn.schedule import (
    Attend,
    FeedForward,
    Schedule,
    co_layer,
    cross_layer,
    joint_layer,
    region_layer,
    text_layer,
    twin_layer,
)
from iconotext.objectives.mix import Mix, OneAtATime, Phases, Together
from iconotext.systems import SYSTEMS

LAYERS = {
    "joint": joint_layer(),
    "text": text_layer(),
    "region": region_layer(),
    "twin": twin_layer(),
    "co": co_layer(),
    "cross": cross_layer(),
}


@dataclass(frozen=True)
class SystemsOptions:
    """List the systems, or say in words what the page of one says."""

    name: Positional[Annotated[str, arg(metavar="NAME")]] = ""
    """A system's name; all of them when it is left out."""
    size: str = "base"
    """A size of the system's page."""


def run(options: SystemsOptions) -> None:
    """Print the list or the page.

    Raises:
        ConfigError: for a name that is not in the table, or a size that is not on the page.
    """
    console = Console(highlight=False)
    if not options.name:
        table = Table("name", "system", "streams", "sizes", "paper", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for page in SYSTEMS.values():
            table.add_row(page.name, page.title, page.streams, ", ".join(("base", *page.sizes)), page.paper)
        console.print(table)
        return
    if options.name not in SYSTEMS:
        raise ConfigError(f"There is no system {options.name!r}; there are: {', '.join(SYSTEMS)}.")
    grid = Table.grid(padding=(0, 2))
    for name, text in lines(SYSTEMS[options.name].at(options.size)):
        grid.add_row(f"[bold]{name}[/bold]", text)
    console.print(grid)


def lines(page: System) -> Iterator[tuple[str, str]]:
    """The page as (what, in words)."""
    recipe = page.recipe
    yield page.title, page.paper
    yield "streams", page.streams
    yield "schedule", layers(page.schedule)
    yield "widths", f"text {page.width} ({page.heads} heads), region {page.region_width} ({page.region_heads} heads)"
    yield "objectives", mixture(page.mix)
    yield (
        "recipe",
        f"{recipe.steps:,} steps of {recipe.batch:,} pairs, learning rate {recipe.learning_rate:g} after {recipe.warmup:,} "
        f"steps of warm-up, then {recipe.schedule}; weight decay {recipe.weight_decay:g}, betas {recipe.betas}, "
        f"clipped at {recipe.clip:g}",
    )
    yield "sizes", ", ".join(("base", *page.sizes))
    for departure in page.departures:
        yield "departs", departure


def layers(schedule: Schedule) -> str:
    """A schedule as it is written with its helpers, such as ``6 text + 6 (co + twin)``."""
    names = [name_of(layer) for layer in cut(schedule)]
    parts, at = [], 0
    while at < len(names):
        size, times = max(((size, repeats(names[at:], size)) for size in (1, 2)), key=lambda found: found[0] * found[1])
        unit = " + ".join(names[at : at + size])
        parts.append(f"{times} ({unit})" if size > 1 else f"{times} {unit}")
        at += size * times
    return " + ".join(parts)


def cut(schedule: Schedule) -> Iterator[Schedule]:
    """The layers: each ends with its feed-forward sublayer."""
    begin = 0
    for end, sublayer in enumerate(schedule, 1):
        if isinstance(sublayer, FeedForward):
            yield schedule[begin:end]
            begin = end


def name_of(layer: Schedule) -> str:
    """The helper that makes the layer, whatever its width."""
    plain = tuple(replace(sub, width=None, heads=None) if isinstance(sub, Attend) else sub for sub in layer)
    return next((name for name, known in LAYERS.items() if known == plain), "other")


def repeats(names: Sequence[str], size: int) -> int:
    """How often the first ``size`` names follow each other; 1 for a unit that is not repeated, 0 for one of equal names."""
    unit = names[:size]
    if size > 1 and len(set(unit)) == 1:
        return 0
    return next(n for n in range(1, len(names) + 1) if names[n * size : (n + 1) * size] != unit)


def mixture(mix: Mix) -> str:
    """A mix in words."""
    if isinstance(mix, Together):
        return "(" + " with ".join(mixture(part) for part in mix.parts) + ")"
    if isinstance(mix, OneAtATime):
        return "one a batch: " + ", ".join(f"{share:g} x {mixture(part)}" for share, part in mix.parts)
    if isinstance(mix, Phases):
        return "; then ".join(f"{share:g} of the run {mixture(part)}" for share, part in mix.parts)
    return mix.name
