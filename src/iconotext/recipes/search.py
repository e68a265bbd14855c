"""``iconotext search``: the pictures of a folder that fit a text best, by scoring every one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from iconotext.core.errors import DataError
from iconotext.recipes.use import Model, load
from iconotext.recipes.use_flags import SearchOptions

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


@dataclass(frozen=True)
class Hit:
    """A picture and its score: the probability that the query belongs to it, of a dual encoder the cosine, which only ranks."""

    path: Path
    score: float


def search(run: Path, folder: Path, query: str, top: int = 10, batch: int = 64) -> list[Hit]:
    """The ``top`` pictures below ``folder``, best first; pictures that cannot be read are named and left out.

    Raises:
        DataError: the folder has no pictures.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not files:
        raise DataError(f"search: {folder} holds no pictures ({', '.join(PICTURES)}).")
    model = load(run)
    console = Console(stderr=True)
    hits: list[Hit] = []
    for begin in track(range(0, len(files), batch), description="search", console=console):
        some = files[begin : begin + batch]
        try:
            scores = model.match(list(some), query)
        except DataError:
            some, scores = _one_by_one(model, some, query, console)
        hits += [Hit(path, score) for path, score in zip(some, scores)]
    return sorted(hits, key=lambda hit: (-hit.score, str(hit.path)))[:top]


def _one_by_one(model: Model, files: list[Path], query: str, console: Console) -> tuple[list[Path], list[float]]:
    """The same batch picture by picture, without those that cannot be read."""
    kept, scores = [], []
    for path in files:
        try:
            scores += model.match(path, query)
            kept.append(path)
        except DataError as error:
            console.print(f"left out: {error}")
    return kept, scores


def run(options: SearchOptions) -> None:
    """Prints the best pictures."""
    hits = search(options.run, options.folder, options.query, options.top, options.batch)
    if options.json:
        for hit in hits:
            print(json.dumps({"path": str(hit.path), "score": hit.score}, ensure_ascii=False))
        return
    table = Table("", "score", "picture", title=options.query)
    for place, hit in enumerate(hits, 1):
        table.add_row(str(place), f"{hit.score:.3f}", str(hit.path))
    Console().print(table)
