"""Lists of tensors for a person to read: what was mapped, what is new, what was left."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from torch import Tensor


def show(console: Console, title: str, rows: Sequence[tuple[str, Tensor, str]]) -> None:
    """Prints tensors with their shapes; those whose names differ in one number alone are one line."""
    numbers = sum(tensor.numel() for _, tensor, _ in rows)
    console.print(f"[bold]{title}[/bold]: {len(rows)} tensor{'s' * (len(rows) != 1)}, {numbers:,} numbers")
    kinds: dict[tuple[str, tuple[int, ...], str], list[tuple[str, str]]] = {}
    for name, tensor, what in rows:
        kinds.setdefault((plain(name), tuple(tensor.shape), plain(what)), []).append((name, what))
    lines = [
        (ranged([name for name, _ in names]), " x ".join(map(str, shape)) or "1", ranged([what for _, what in names]))
        for (_, shape, _), names in kinds.items()
    ]
    widths = [max((len(line[column]) for line in lines), default=0) for column in (0, 1)]
    for name, shape, what in lines:
        console.print(f"  {name.ljust(widths[0])}  {shape.ljust(widths[1])}  {what}", markup=False)
    console.print()


def plain(name: str) -> str:
    """A name without its numbers."""
    return re.sub(r"\d+", "#", name)


def ranged(names: Sequence[str]) -> str:
    """Names that differ in their numbers alone as one, such as ``layer.0..11.output``."""
    columns = list(zip(*(re.findall(r"\d+", name) for name in names)))
    spans = iter(c[0] if len(set(c)) == 1 else f"{c[0]}..{c[-1]}" for c in columns)
    return re.sub(r"\d+", lambda _: next(spans), names[0])
