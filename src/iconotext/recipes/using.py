"""``iconotext use``: a fine-tuned model on pictures of one's own, answered in words and in pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from PIL import Image
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from iconotext.core.errors import DataError
from iconotext.explain.sheet import sheet
from iconotext.recipes.search import PICTURES
from iconotext.recipes.seeing import opened
from iconotext.recipes.use import Product, load
from iconotext.recipes.use_flags import (
    AnswerOptions,
    ChooseOptions,
    CompareOptions,
    GroundOptions,
    PhrasesOptions,
    RankOptions,
)
from iconotext.tasks.beam import USUAL, Search

LARGE = 448
"""The longest side of a picture that stands alone."""


@dataclass(frozen=True)
class CaptionOptions:
    """Write a caption of a picture with a model made by `iconotext finetune captions`."""

    run: Positional[Path]
    """The model's folder."""
    picture: Positional[Path]
    """The picture."""
    search: Annotated[Search, arg(name="")] = USUAL
    top: int = 1
    """How many captions to list, of those that the search came upon."""
    out: Path | None = None
    """Draw the picture with its captions into this file."""
    json: bool = False
    """Print JSON lines instead of a table."""


def answer(options: AnswerOptions) -> None:
    """Prints the best answers."""
    found = load(options.run).answer(options.picture, options.question, options.top)
    rows = [{"answer": answer, "score": score} for answer, score in found]
    _say(options.question, rows, options.json)
    _draw(options.out, [(opened(options.picture), _lines(options.question, found))], LARGE)


def choose(options: ChooseOptions) -> None:
    """Prints the answers, the best first."""
    found = load(options.run).choose(options.picture, options.question, options.answers)
    _say(options.question, [{"answer": answer, "share": share} for answer, share in found], options.json)
    _draw(options.out, [(opened(options.picture), _lines(options.question, found))], LARGE)


def ground(options: GroundOptions) -> None:
    """Prints the box and draws it."""
    found = load(options.run).ground(options.picture, options.expression)
    box = [round(side, 1) for side in found.box]
    _say(options.expression, [{"box": box, "score": found.score, "picture": str(options.out)}], options.json)
    _save(found.picture, options.out)


def phrases(options: PhrasesOptions) -> None:
    """Prints the box of each phrase and draws them all."""
    found = load(options.run).phrases(options.picture, options.sentence)
    rows = [
        {"phrase": phrase, "box": [round(side, 1) for side in box], "score": score, "picture": str(options.out)}
        for phrase, box, score in zip(found.phrases, found.boxes, found.scores)
    ]
    _say(options.sentence, rows, options.json)
    lines = [f"{n}. {phrase}  {score:.0%}" for n, (phrase, score) in enumerate(zip(found.phrases, found.scores), 1)]
    _draw(options.out, [(found.picture, "\n".join(lines))], LARGE)


def compare(options: CompareOptions) -> None:
    """Prints the verdict and its probability."""
    true = load(options.run).compare(options.left, options.right, options.statement)
    _say(options.statement, [{"verdict": true >= 0.5, "probability of truth": true}], options.json)
    verdict = f"{'true' if true >= 0.5 else 'false'}: {max(true, 1 - true):.0%}"
    _draw(options.out, [(opened(options.left), options.statement), (opened(options.right), verdict)], LARGE)


def caption(options: CaptionOptions) -> None:
    """Prints captions with their log probabilities, the best first."""
    found = load(options.run).caption(options.picture, options.search)[: options.top]
    rows = [{"caption": text, "log probability": score} for text, score in found]
    _say(str(options.picture), rows, options.json)
    _draw(options.out, [(opened(options.picture), "\n".join(text for text, _ in found))], LARGE)


def rank(options: RankOptions) -> None:
    """Prints the products, the most relevant first."""
    products = products_of(options.products)
    found = load(options.run).rank(options.query, products)[: options.top]
    best = [(place, products[number], score) for place, (number, score) in enumerate(found, 1)]
    rows = [
        {"place": place, "score": score, "picture": str(product.picture or ""), "title": product.title}
        for place, product, score in best
    ]
    _say(options.query, rows, options.json)
    if options.out:
        pictures = [opened(product.picture) if product.picture else None for _, product, _ in best]
        words = [f"{place}.  {score:.2f}\n{product.title}" for place, product, score in best]
        _draw(options.out, list(zip(pictures, words)))


def products_of(place: Path) -> list[Product]:
    """The products of a folder of pictures, or of a table.

    Raises:
        DataError: there are none, or the table lacks both columns.
    """
    if place.is_dir():
        products = [Product(path) for path in sorted(place.rglob("*")) if path.suffix.lower() in PICTURES]
    else:
        try:
            with place.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"{place} cannot be read as a table ({error}): name a folder of pictures or a .csv."
            ) from error
        if rows and not {"picture", "title"} & set(rows[0]):
            raise DataError(f"{place} has the columns {', '.join(rows[0])}: it needs `picture`, `title` or both.")
        products = [
            Product(place.parent / row["picture"] if row.get("picture") else None, row.get("title") or "")
            for row in rows
        ]
    if not products:
        raise DataError(f"{place} holds no products: name a folder of pictures or a .csv with rows.")
    return products


def _lines(question: str, found: Sequence[tuple[str, float]]) -> str:
    return "\n".join([question, *(f"{share:.0%}  {answer}" for answer, share in found)])


def _say(title: str, rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """The rows as a table, or a line of JSON each."""
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(highlight=False, markup=False).print(table)


def _draw(out: Path | None, cells: Sequence[tuple[Image.Image | None, str]], side: int = 224) -> None:
    if out:
        _save(sheet(cells, side=side), out)


def _save(picture: Image.Image, out: Path) -> None:
    """Writes a picture in the format that its name says.

    Raises:
        DataError: the name says none.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        picture.save(out)
    except (ValueError, OSError) as error:
        raise DataError(f"{out} cannot be written ({error}): name a .png or .jpg file.") from error
