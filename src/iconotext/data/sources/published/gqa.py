"""GQA: questions with one answer, with what the official metrics need of them; also in LXMERT's short form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import Entry, read_list, read_object

_UNCOUNTED = ("exist", "query: name", "choose name")
"""Steps of a question's program that the official count leaves out."""


@dataclass(frozen=True)
class GqaQuestion:
    """A question as the file has it; ``answer`` is "" and the types are "" where it has none (test).

    ``group`` is the global group, None where there is none. ``steps`` and ``words`` are counted as in the official evaluation.
    """

    question_id: str
    image_id: str
    question: str
    answer: str
    balanced: bool
    structural: str = ""
    semantic: str = ""
    detailed: str = ""
    group: str | None = None
    steps: int = 0
    entailed: tuple[str, ...] = ()

    @property
    def words(self) -> int:
        """The question's words, divided at white space."""
        return len(self.question.split())


@dataclass(frozen=True)
class Choices:
    """The answers that make sense to a question, and those that occur in reality."""

    valid: tuple[str, ...]
    plausible: tuple[str, ...]


@dataclass(frozen=True)
class ShortQuestion:
    """A question in LXMERT's form, with the score of each right answer."""

    question_id: str
    image_id: str
    question: str
    scores: Mapping[str, float]


def read_gqa(file: Path) -> dict[str, GqaQuestion]:
    """The questions of one file by id, in its order.

    Raises:
        DataError: the file or a question is not in GQA's form.
    """
    return gqa_questions(read_object(file))


def gqa_questions(content: Entry) -> dict[str, GqaQuestion]:
    """The questions of a file's content."""
    return {name: _question(name, content.entry(name)) for name in content.fields}


def _question(question_id: str, entry: Entry) -> GqaQuestion:
    types = entry.entry("types") if entry.fields.get("types") else None
    groups = entry.entry("groups") if entry.fields.get("groups") else None
    program = list(entry.entries("semantic")) if "semantic" in entry else []
    return GqaQuestion(
        question_id,
        entry.key("imageId"),
        entry.text("question"),
        entry.text("answer") if "answer" in entry else "",
        entry.flag("isBalanced"),
        structural=types.text("structural") if types else "",
        semantic=types.text("semantic") if types else "",
        detailed=types.text("detailed") if types else "",
        group=groups.text("global") if groups and groups.fields.get("global") is not None else None,
        steps=sum(_counts(step) for step in program),
        entailed=entry.texts("entailed") if "entailed" in entry else (),
    )


def _counts(step: Entry) -> bool:
    said = f"{step.text('operation')}: {step.text('argument')}"
    return not any(name in said for name in _UNCOUNTED)


def read_gqa_choices(file: Path) -> dict[str, Choices]:
    """The official lists of valid and plausible answers, by question."""
    return gqa_choices(read_object(file))


def gqa_choices(content: Entry) -> dict[str, Choices]:
    """The lists of a file's content."""
    found = ((name, content.entry(name)) for name in content.fields)
    return {name: Choices(entry.texts("valid"), entry.texts("plausible")) for name, entry in found}


def read_gqa_short(file: Path) -> list[ShortQuestion]:
    """The questions of a file in LXMERT's form: img_id, sent, question_id, and label with a score for each answer."""
    return [_short_question(entry) for entry in read_list(file)]


def _short_question(entry: Entry) -> ShortQuestion:
    label = entry.entry("label") if "label" in entry else Entry(entry.place, {})
    scores = {answer: label.number(answer) for answer in label.fields}
    return ShortQuestion(entry.key("question_id"), entry.key("img_id"), entry.text("sent"), scores)


def bring(source: Path) -> Corpus:
    """The questions of all files ``*questions*.json``, for GQA's task and for that of VQA, with the choices that are there."""
    corpus = Corpus()
    listed = source.rglob("*choices*.json") if source.is_dir() else ()
    choices = {name: found for file in sorted(listed) for name, found in read_gqa_choices(file).items()}
    taken: set[str] = set()
    for file in files(source, r"(train|val|test).*questions.*\.json", "train, val or test *_questions.json"):
        split = split_of(file)
        for found in read_gqa(file).values():
            if found.question_id in taken:
                continue  # The balanced questions are among all questions.
            taken.add(found.question_id)
            place = f"{file} question {found.question_id}"
            image = (found.image_id,)
            corpus.picture(found.image_id, split, f"{found.image_id}.jpg")
            shared = {"question_id": found.question_id, "image_id": found.image_id, "question": found.question}
            answers = [found.answer] if found.answer else []
            corpus.row("vqa", split, image, place, **shared, answers=answers, kind=found.structural)
            corpus.row(
                "gqa",
                split,
                image,
                place,
                **shared,
                answer=found.answer,
                balanced=found.balanced,
                structural=found.structural,
                semantic=found.semantic,
                detailed=found.detailed,
                group=found.group,
                steps=found.steps,
                entailed=list(found.entailed),
                valid=list(choices[found.question_id].valid) if found.question_id in choices else None,
                plausible=list(choices[found.question_id].plausible) if found.question_id in choices else None,
            )
    return corpus
