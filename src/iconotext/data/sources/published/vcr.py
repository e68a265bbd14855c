"""VCR: questions with four answers and four reasons, whose words name objects of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import Entry, once, read_json_lines, read_object

Tokens = tuple[str | tuple[int, ...], ...]
"""Words, and in the place of some words the numbers of the objects that they name, from 0 on."""

SEPARATOR = "[SEP]"
"""What published readers put between a question and its answer before they ask for the reason."""

# fmt: off
NAMES = (
    "Casey", "Riley", "Jessie", "Jackie", "Avery", "Jaime", "Peyton", "Kerry", "Jody", "Kendall", "Skyler", "Frankie", "Pat",
    "Quinn",
)
# fmt: on
"""What persons are called in turn, so that texts tell them apart; names that r2c and its followers use as well."""


@dataclass(frozen=True)
class VcrQuestion:
    """A question as the file has it; the right ``answer`` and ``reason`` are None where the file has none (test)."""

    annot_id: str
    img_id: str
    image_file: str
    boxes_file: str
    objects: tuple[str, ...]
    question: Tokens
    answers: tuple[Tokens, ...]
    answer: int | None
    reasons: tuple[Tokens, ...]
    reason: int | None
    place: str = ""

    def with_answers(self) -> list[Tokens]:
        """What a reason is asked for: the question with its right answer, or with each where nobody knows the right one."""
        given = range(len(self.answers)) if self.answer is None else [self.answer]
        return [(*self.question, SEPARATOR, *self.answers[each]) for each in given]


@dataclass(frozen=True)
class VcrBoxes:
    """The objects of a picture: names, boxes [x1, y1, x2, y2] with scores, and its size."""

    names: tuple[str, ...]
    boxes: tuple[tuple[float, ...], ...]
    width: int
    height: int


def read_vcr(file: Path) -> list[VcrQuestion]:
    """The questions of a file with one JSON object a line, in its order.

    Raises:
        DataError: a line is cut or in another form, an id is there twice, a label is none of the choices, or words name an
            object that is not there.
    """
    entries = read_json_lines(file)
    once(entries, [entry.text("annot_id") for entry in entries])
    return [_question(entry) for entry in entries]


def _question(entry: Entry) -> VcrQuestion:
    objects = entry.texts("objects")
    answers, reasons = (
        tuple(
            _tokens(entry, f"{name} {number}", choice, len(objects)) for number, choice in enumerate(entry.list(name))
        )
        for name in ("answer_choices", "rationale_choices")
    )
    return VcrQuestion(
        entry.text("annot_id"),
        entry.text("img_id"),
        entry.text("img_fn"),
        entry.text("metadata_fn"),
        objects,
        _tokens(entry, "question", entry.list("question"), len(objects)),
        answers,
        entry.index("answer_label", len(answers)) if "answer_label" in entry else None,
        reasons,
        entry.index("rationale_label", len(reasons)) if "rationale_label" in entry else None,
        entry.place,
    )


def _tokens(entry: Entry, name: str, values: object, objects: int) -> Tokens:
    if not isinstance(values, list):
        raise entry.wrong(f"{name!r} is no list of words")
    tokens: list[str | tuple[int, ...]] = []
    for value in values:
        if isinstance(value, str):
            tokens.append(value)
        elif isinstance(value, list) and all(type(number) is int and 0 <= number < objects for number in value):
            tokens.append(tuple(value))
        else:
            raise entry.wrong(f"{name!r} holds {value!r}, neither a word nor numbers of the {objects} objects")
    return tuple(tokens)


def read_vcr_boxes(file: Path) -> VcrBoxes:
    """The objects that a picture's metadata file lists.

    Raises:
        DataError: the file is in another form, or has not one box of five numbers for each name.
    """
    entry = read_object(file)
    names = entry.texts("names")
    rows = [Entry(f"{file} box {number}", {"box": box}) for number, box in enumerate(entry.list("boxes"))]
    boxes = tuple(row.numbers("box") for row in rows)
    if len(names) != len(boxes) or any(len(box) != 5 for box in boxes):
        raise entry.wrong(f"{len(names)} names with {len(boxes)} boxes [x1, y1, x2, y2, score]")
    return VcrBoxes(names, boxes, entry.integer("width"), entry.integer("height"))


def objects_of(asked: VcrQuestion, file: Path) -> VcrBoxes:
    """The objects that the words of a question name, from the metadata file of its picture.

    Raises:
        DataError: as ``read_vcr_boxes``; or they are not those of the question.
    """
    found = read_vcr_boxes(file)
    if found.names != asked.objects:
        raise DataError(
            f"{asked.place}: its objects {list(asked.objects)} are not those of {file}: {list(found.names)}"
        )
    return found


def as_text(tokens: Tokens, objects: Sequence[str]) -> str:
    """Tokens in words: "Casey[0] and Riley[1] talk to dog[2] ." """
    persons = [number for number, name in enumerate(objects) if name == "person"]
    called = {number: NAMES[turn % len(NAMES)] for turn, number in enumerate(persons)}
    words = (
        token if isinstance(token, str) else " and ".join(f"{called.get(n, objects[n])}[{n}]" for n in token)
        for token in tokens
    )
    return " ".join(words)


def bring(source: Path) -> Corpus:
    """The questions of all files train, val and test ``.jsonl``, and the objects of their pictures.

    Raises:
        DataError: as ``read_vcr`` and ``objects_of``.
    """
    corpus = Corpus()
    classes: dict[str, int] = {}
    listed = files(source, r"(train|val|test)\.jsonl", "train.jsonl, val.jsonl or test.jsonl")
    metadata = (source if source.is_dir() else source.parent).rglob("*.json")
    boxes = {"/".join(path.parts[-2:]): path for path in metadata}
    for file in listed:
        for asked in read_vcr(file):
            if asked.boxes_file not in boxes:
                raise DataError(f"{asked.place}: {asked.boxes_file}, with its boxes, is nowhere below {source}")
            _take(corpus, asked, split_of(file), objects_of(asked, boxes[asked.boxes_file]), classes)
    corpus.classes = tuple(classes)
    return corpus


def _take(corpus: Corpus, asked: VcrQuestion, split: str, found: VcrBoxes, classes: dict[str, int]) -> None:
    """Take up a question, and with the first one of a picture its objects."""
    image = asked.image_file
    if image not in corpus.pictures:
        corpus.row(
            "objects",
            split,
            (image,),
            asked.place,
            image_id=image,
            boxes=[list(box[:4]) for box in found.boxes],
            classes=[classes.setdefault(name, len(classes)) for name in found.names],
            colours=[-1] * len(found.names),
            sizes=[""] * len(found.names),
        )
    corpus.picture(image, split, f"vcr1images/{image}", image)
    corpus.row(
        "choices",
        split,
        (image,),
        asked.place,
        choice_id=asked.annot_id,
        image_id=image,
        question=as_text(asked.question, asked.objects),
        answers=[as_text(answer, asked.objects) for answer in asked.answers],
        answer=asked.answer,
        reasons=[as_text(reason, asked.objects) for reason in asked.reasons],
        reason=asked.reason,
        objects=sorted({number for token in asked.question if not isinstance(token, str) for number in token}),
    )
