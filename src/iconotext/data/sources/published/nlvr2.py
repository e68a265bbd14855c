"""NLVR2: statements on two pictures, true or false; also in LXMERT's short form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import Entry, once, read_json_lines, read_list


@dataclass(frozen=True)
class Statement:
    """A statement with the names of its pictures; ``label`` is None where the file has none (hidden test)."""

    identifier: str
    sentence: str
    label: bool | None
    left_image: str
    right_image: str
    place: str = ""


def read_nlvr2(file: Path) -> list[Statement]:
    """The statements of a file with one JSON object a line, in its order.

    A picture's name is the identifier without its last part (the number of the sentence), then -img0 or -img1.

    Raises:
        DataError: a line is cut or in another form, or an identifier is there twice.
    """
    entries = read_json_lines(file)
    once(entries, [entry.text("identifier") for entry in entries])
    return [_statement(entry) for entry in entries]


def _statement(entry: Entry) -> Statement:
    identifier = entry.text("identifier")
    parts = identifier.split("-")
    if len(parts) != 4 or not all(parts):
        raise entry.wrong(f"the identifier {identifier!r} has not the form split-set-pair-sentence")
    label = None
    if "label" in entry:
        said = entry.text("label")
        if said.lower() not in ("true", "false"):
            raise entry.wrong(f"the label {said!r} is neither True nor False")
        label = said.lower() == "true"
    pair = "-".join(parts[:3])
    return Statement(identifier, entry.text("sentence"), label, f"{pair}-img0", f"{pair}-img1", entry.place)


@dataclass(frozen=True)
class ShortStatement:
    """A statement in LXMERT's form; ``label`` is 1 for true."""

    identifier: str
    sentence: str
    label: int
    left_image: str
    right_image: str
    uid: str


def read_nlvr2_short(file: Path) -> list[ShortStatement]:
    """The statements of a file in LXMERT's form: identifier, img0, img1, label, sent, uid."""
    return [
        ShortStatement(
            entry.text("identifier"),
            entry.text("sent"),
            entry.index("label", 2),
            entry.text("img0"),
            entry.text("img1"),
            entry.text("uid"),
        )
        for entry in read_list(file)
    ]


def bring(source: Path) -> Corpus:
    """The statements of all files train, dev, test1, test2 and so on, ``.json`` or ``.jsonl``."""
    corpus = Corpus()
    for file in files(source, r"(train|dev|test\w*)\.jsonl?", "train.json, dev.json or test1.json"):
        split = split_of(file)
        for found in read_nlvr2(file):
            for image in (found.left_image, found.right_image):
                corpus.picture(image, split, f"{image}.png", image)
            corpus.row(
                "statements",
                split,
                (found.left_image, found.right_image),
                found.place,
                statement_id=found.identifier,
                left_image=found.left_image,
                right_image=found.right_image,
                text=found.sentence,
                label=found.label,
            )
    return corpus
