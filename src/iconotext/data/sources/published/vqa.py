"""VQA v2: questions with the answers of ten annotators, joined by question id; and the targets that others made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError
from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import Entry, once, read_object
from iconotext.data.sources.published.pickled import read_pickle


@dataclass(frozen=True)
class VqaQuestion:
    """A question as the files have it; no answers and "" where there is no annotation (test).

    ``place`` is where it stands.
    """

    question_id: int
    image_id: int
    question: str
    answers: tuple[str, ...] = ()
    answer_type: str = ""
    question_type: str = ""
    place: str = ""


@dataclass(frozen=True)
class VqaTarget:
    """The labels of a question's answers with their soft scores, as bottom-up attention's code stores them."""

    question_id: int
    image_id: int
    labels: tuple[int, ...]
    scores: tuple[float, ...]


def read_vqa(questions: Path, annotations: Path | None) -> list[VqaQuestion]:
    """The questions in the order of their file, each with its answers.

    Raises:
        DataError: a file is not in VQA's form, an id is there twice, a question has no annotation, an annotation no question,
            or they name different pictures.
    """
    asked = list(read_object(questions).entries("questions"))
    once(asked, [entry.integer("question_id") for entry in asked])
    if annotations is None:
        return [_question(entry, None) for entry in asked]
    answered = list(read_object(annotations).entries("annotations"))
    once(answered, [entry.integer("question_id") for entry in answered])
    known = {entry.integer("question_id"): entry for entry in answered}
    alone = [entry.integer("question_id") for entry in asked if entry.integer("question_id") not in known]
    unasked = known.keys() - {entry.integer("question_id") for entry in asked}
    if alone or unasked:
        raise DataError(
            f"{questions} and {annotations} do not belong together: {len(alone)} questions have no annotation "
            f"{alone[:3]}, {len(unasked)} annotations have no question {sorted(unasked)[:3]}"
        )
    return [_question(entry, known[entry.integer("question_id")]) for entry in asked]


def _question(entry: Entry, annotation: Entry | None) -> VqaQuestion:
    question_id, image_id, text = entry.integer("question_id"), entry.integer("image_id"), entry.text("question")
    if annotation is None:
        return VqaQuestion(question_id, image_id, text, place=entry.place)
    if annotation.integer("image_id") != image_id:
        raise annotation.wrong(
            f"'image_id' is {annotation.integer('image_id')}, but question {question_id} has {image_id}"
        )
    answers = tuple(answer.text("answer") for answer in annotation.entries("answers"))
    answer_type, question_type = (
        annotation.text(name) if name in annotation else "" for name in ("answer_type", "question_type")
    )
    return VqaQuestion(question_id, image_id, text, answers, answer_type, question_type, entry.place)


def read_vqa_targets(file: Path) -> list[VqaTarget]:
    """The records of a ``*_target.pkl``.

    Raises:
        DataError: the pickle asks for anything but plain values, is cut, or is in another form.
    """
    content = read_pickle(file)
    if not isinstance(content, list):
        raise DataError(f"{file}: expected a list of targets, found {type(content).__name__}")
    return [_target(Entry.of(f"{file} record {number}", value)) for number, value in enumerate(content)]


def _target(entry: Entry) -> VqaTarget:
    labels, scores = entry.numbers("labels"), entry.numbers("scores")
    if len(labels) != len(scores):
        raise entry.wrong(f"{len(labels)} labels with {len(scores)} scores")
    if not all(isinstance(label, int) and label >= 0 for label in entry.list("labels")):
        raise entry.wrong(f"'labels' are not all numbers of answers: {labels}")
    return VqaTarget(entry.integer("question_id"), entry.integer("image_id"), tuple(map(int, labels)), scores)


def read_vqa_answers(label2ans: Path) -> tuple[str, ...]:
    """The answers of a ``*_label2ans.pkl``, in order of their labels."""
    return Entry(str(label2ans), {"answers": read_pickle(label2ans)}).texts("answers")


def read_vqa_labels(ans2label: Path) -> Mapping[str, int]:
    """The label of each answer of a ``*_ans2label.pkl``."""
    content: Any = read_pickle(ans2label)
    entry = Entry.of(str(ans2label), content)
    return {answer: entry.integer(answer) for answer in entry.fields}


def bring(source: Path) -> Corpus:
    """The questions of all files ``*questions.json``, with the answers of the annotations that bear the same name."""
    corpus = Corpus()
    taken: set[int] = set()
    for file in files(source, r".*questions\.json", "*_questions.json"):
        about, split = read_object(file), split_of(file)
        subset = about.text("data_subtype") if "data_subtype" in about else ""
        for found in read_vqa(file, _annotations(file)):
            if found.question_id in taken:
                continue  # The questions of test-dev are among those of test.
            taken.add(found.question_id)
            image = str(found.image_id)
            number = f"{found.image_id:012d}.jpg"
            corpus.picture(image, split, *([f"COCO_{subset}_{number}"] if subset else []), number)
            corpus.row(
                "vqa",
                split,
                (image,),
                found.place,
                question_id=str(found.question_id),
                image_id=image,
                question=found.question,
                answers=list(found.answers),
                kind=found.answer_type,
            )
    return corpus


def _annotations(questions: Path) -> Path | None:
    """The annotations of a file of questions; None for a test set, which has none.

    Raises:
        DataError: there are none, but it is no test set.
    """
    plain = questions.name.replace("OpenEnded_", "").replace("MultipleChoice_", "")
    file = questions.with_name(plain.replace("questions.json", "annotations.json"))
    if file.is_file():
        return file
    if split_of(questions) == "test":
        return None
    raise DataError(f"{questions} has no annotations: {file.name} is not beside it")
