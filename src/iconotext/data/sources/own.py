"""A folder with tables of one's own: captions, questions, statements and so on, each file named as what it holds.

``vqa.csv`` holds questions, ``statements-test.jsonl`` statements to test on. A row's split is what its column ``split`` says,
or else the file's name, or else that of its first picture, for which shares decide as for other pictures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from iconotext.core.errors import DataError
from iconotext.data.sources.cells import Cells, Unusable
from iconotext.data.sources.item import Caption
from iconotext.data.sources.published.corpus import Corpus, files
from iconotext.data.sources.rows import Choose, Row, read_rows
from iconotext.data.sources.table import SPLITS


@dataclass(frozen=True)
class Kind:
    """What the rows of a table look like: the columns that it must and may have, and how a row is read.

    ``images`` are the columns that name pictures, with those of the data set. ``read`` gives the values of the others, less the
    id (``identity``) and the language.
    """

    images: Mapping[str, str]
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    read: Callable[[Cells], dict[str, Any]]
    identity: str = ""

    def chosen(self, file: Path) -> Choose:
        """Of a file's columns those that are looked at; ``DataError`` where it lacks one."""
        must = (*self.images, *self.needed)
        may = (*self.optional, "language", "split", *([self.identity] if self.identity else []))

        def choose(there: Sequence[str]) -> Sequence[str]:
            missing = [name for name in must if name not in there]
            if missing:
                raise DataError(
                    f"{file} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, there))}. It must have "
                    f"{', '.join(must)} and may have {', '.join(may)}."
                )
            return [*must, *(name for name in may if name in there)]

        return choose


def _caption(cells: Cells) -> dict[str, Any]:
    return {"texts": cells.texts("text")}


def _question(cells: Cells) -> dict[str, Any]:
    one, several = cells.maybe("answer"), [answer for answer in cells.parts("answers") if answer]
    if one and several:
        raise Unusable("it has 'answer' and 'answers'")
    return {"question": cells.text("question"), "answers": [one] if one else several, "kind": cells.maybe("kind")}


def _statement(cells: Cells) -> dict[str, Any]:
    label = cells.word("label", "true", "false", "1", "0")
    return {"text": cells.text("text"), "label": label in ("true", "1") if label else None}


def _choice(cells: Cells) -> dict[str, Any]:
    answers, reasons = cells.options("answers"), cells.options("reasons")
    if len(answers) < 2 or len(reasons) == 1:
        raise Unusable(f"there is nothing to choose among {answers if len(answers) < 2 else reasons}")
    answer, reason = cells.index("answer", len(answers)), cells.index("reason", len(reasons))
    return {
        "question": cells.text("question"),
        "answers": answers,
        "answer": answer,
        "reasons": reasons,
        "reason": reason,
        "objects": [],
    }


def _expression(cells: Cells) -> dict[str, Any]:
    return {"text": cells.text("text"), "object": -1, "box": cells.box("box")}


def _sentence(cells: Cells) -> dict[str, Any]:
    label = cells.word("label", "entailment", "neutral", "contradiction", "-")
    return {"text": cells.text("text"), "label": label or "-"}


def _object(cells: Cells) -> dict[str, Any]:
    return {"box": cells.box("box"), "class": cells.maybe("class") or "object"}


def _product(cells: Cells) -> dict[str, Any]:
    grade = cells.whole("grade")
    title, kind = cells.maybe("title"), cells.maybe("kind")
    return {"query": cells.text("query"), "grade": -1 if grade is None else grade, "title": title, "kind": kind}


ONE = {"image": "image_id"}
TWO = {"left_image": "left_image", "right_image": "right_image"}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "texts": Kind(ONE, ("text",), (), _caption),
        "vqa": Kind(ONE, ("question",), ("answer", "answers", "kind"), _question, "question_id"),
        "statements": Kind(TWO, ("text",), ("label",), _statement, "statement_id"),
        "choices": Kind(ONE, ("question", "answers"), ("answer", "reasons", "reason"), _choice, "choice_id"),
        "expressions": Kind(ONE, ("text", "box"), (), _expression, "expression_id"),
        "entailment": Kind(ONE, ("text",), ("label",), _sentence, "entailment_id"),
        "queries": Kind(ONE, ("query",), ("title", "grade", "kind"), _product, "query_id"),
        "objects": Kind(ONE, ("box",), ("class",), _object),
    }
)
"""By the name of the data set's table, and of the files."""

_NAME = rf"({'|'.join(KINDS)})([^a-z].*)?\.(csv|tsv|jsonl|parquet)"


@dataclass
class _Found:
    """A row that can be used: ``split`` is "" where nothing tells it."""

    place: str
    identity: str
    images: tuple[str, ...]
    split: str
    language: str
    values: dict[str, Any]


def bring(source: Path, encoding: str = "utf-8-sig") -> Corpus:
    """The rows of all files of a folder that are named as a table, at any depth; what cannot be used is a problem.

    Raises:
        DataError: there is no such file, one cannot be read, or it lacks a column.
    """
    corpus = Corpus()
    found: dict[str, list[_Found]] = {name: [] for name in KINDS}
    ids: dict[str, set[str]] = {name: set() for name in KINDS}
    what = f"table: {', '.join(KINDS)} with .csv, .tsv, .jsonl or .parquet"
    for file in files(source, _NAME, what):
        table, told = _named(file)
        for row in read_rows(file, KINDS[table].chosen(file), encoding):
            try:
                found[table].append(_read(row, table, told, ids[table]))
            except Unusable as problem:
                corpus.problems.append((row.place, str(problem)))
    for taken in (taken for rows in found.values() for taken in rows):
        for image in taken.images:
            corpus.picture(image, taken.split, image)
    _take_up(corpus, found)
    return corpus


def _named(file: Path) -> tuple[str, str]:
    """The table that a file's name says, and the split, "" for none."""
    match = re.fullmatch(_NAME, file.name)
    if match is None:
        raise DataError(f"{file}: the name tells no table; begin it with one of {', '.join(KINDS)}")
    words = re.split(r"[^a-z]+", (match[2] or "").lower())
    return match[1], next((SPLITS[word] for word in words if word in SPLITS), "")


def _read(row: Row, table: str, told: str, ids: set[str]) -> _Found:
    if row.problem:
        raise Unusable(row.problem)
    kind, cells = KINDS[table], Cells(row.cells)
    values = kind.read(cells)
    images = tuple(cells.path(column) for column in kind.images)
    split = SPLITS[cells.word("split", *SPLITS)] if cells.maybe("split") else told
    identity = cells.maybe(kind.identity) if kind.identity else ""
    if table != "queries":
        identity = identity or str(len(ids))
        if identity in ids:
            raise Unusable(f"the id {identity!r} is there before")
        ids.add(identity)
    return _Found(row.place, identity, images, split, cells.maybe("language"), values)


def _take_up(corpus: Corpus, found: Mapping[str, Sequence[_Found]]) -> None:
    """The rows as a data set has them: captions with their pictures, a row for each picture's objects and for each query."""
    for row in found["texts"]:
        picture = corpus.pictures[row.images[0]]
        captions = tuple(Caption(text, row.language) for text in row.values["texts"])
        corpus.pictures[row.images[0]] = replace(picture, texts=picture.texts + captions)
    for table, kind in KINDS.items():
        if table not in ("texts", "queries", "objects"):
            for row in found[table]:
                pictures = dict(zip(kind.images.values(), row.images))
                split = row.split or corpus.pictures[row.images[0]].split
                values = {kind.identity: row.identity, **pictures, **row.values, "language": row.language}
                corpus.row(table, split, row.images, row.place, **values)
    _queries(corpus, found["queries"])
    _objects(corpus, found["objects"])


def _queries(corpus: Corpus, rows: Sequence[_Found]) -> None:
    """Products of one query (by its id, or else its words) in a row; a product may do without its picture."""
    lists: dict[str, list[_Found]] = {}
    for row in rows:
        lists.setdefault(row.identity or row.values["query"], []).append(row)
    for number, products in enumerate(lists.values()):
        first = products[0]
        corpus.row(
            "queries",
            first.split,
            (),
            first.place,
            query_id=first.identity or str(number),
            query=first.values["query"],
            image_ids=[row.images[0] for row in products],
            grades=[row.values["grade"] for row in products],
            titles=[row.values["title"] for row in products],
            kind=first.values["kind"],
            language=first.language,
        )


def _objects(corpus: Corpus, rows: Sequence[_Found]) -> None:
    """Things of one picture in a row, in their order; classes are counted from 0 in the order in which they come."""
    things: dict[str, list[_Found]] = {}
    classes: dict[str, int] = {}
    for row in rows:
        things.setdefault(row.images[0], []).append(row)
    for image, found in things.items():
        corpus.row(
            "objects",
            corpus.pictures[image].split,
            (image,),
            found[0].place,
            image_id=image,
            boxes=[row.values["box"] for row in found],
            classes=[classes.setdefault(row.values["class"], len(classes)) for row in found],
            colours=[-1] * len(found),
            sizes=[""] * len(found),
        )
    corpus.classes = tuple(classes)
