"""Choices among answers to a question, and among reasons for the right answer (VCR: Q→A, QA→R, Q→AR).

Words may name objects of the picture: "person[0] talks to person[2]" links each word before a number to that object, and
with it to the region that covers the object best. The numbers themselves are not read.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from iconotext.core.batch import Batch, Loss
from iconotext.core.boxes import iou
from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating
from iconotext.data.store import PackedRegions
from iconotext.data.words import TokenTable, Words
from iconotext.heads.tasks import Options
from iconotext.models.system import System
from iconotext.models.task import TaskKind, second_segment
from iconotext.tasks.base import LOSSES, Examples, Measure, Rows, Said, Source, TaskBatch
from iconotext.tasks.metrics.vcr import both, right

Asked = Literal["both", "answers", "reasons"]
ENOUGH = 0.5
"""The IoU from which a region shows an object that words name."""
_NAMED = re.compile(r"(\S+?)((?:\[\d+\])+)")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Choices:
    """A score of each option, read after its question.

    Head: one number a pair. Group: the options of one question, each [CLS] question [SEP] option [SEP] with the same picture;
    for a reason the question is followed by its answer.
    Loss: "softmax": cross entropy of the right option among all (ViLBERT, VisualBERT). "sigmoid": binary cross entropy of each
    option (UNITER as two classes of each, VL-BERT, B2T2), here summed over the options. Both are means over the questions.
    Where the segment after the words' is the regions', options are in a new one that begins as the words' own (UNITER).
    Answers and reasons are learned together (``asked``), as ViLBERT does; UNITER's third and fourth segment are one here.
    """

    name: ClassVar[str] = "choices"
    table: ClassVar[str] = "choices"
    form: Options = "softmax"
    hidden: float = 0.0
    segments: tuple[int, ...] = ()
    asked: Asked = "both"

    @property
    def kind(self) -> TaskKind:
        """A score head."""
        return TaskKind(self.name, "score", hidden=self.hidden, form=self.form, segments=self.segments)

    def loss(self, scores: Float[Tensor, "E K"], micro: TaskBatch) -> Loss:
        """The loss of the questions."""
        return LOSSES[self.form](scores, micro.targets)

    def examples(self, source: Source, split: str, training: bool) -> Chosen:
        """The questions of a split; those to train on have right answers."""
        return Chosen(source, source.read(self.table, split, "image_id"), training, self.asked if training else "both")


@dataclass(frozen=True)
class ChoiceOptions:
    """Fine-tune a pre-trained model to choose the answer to a question, and the reason for it, among several."""

    asked: Asked = "both"
    """What to learn: answers to questions, reasons for the right answers, or both in one model."""
    loss: Options | None = None
    """softmax: one option among all; sigmoid: a yes or no of each."""

    def task(self, source: Source, split: str, page: System) -> Choices:
        """The task with the page's head."""
        forms = page.downstream
        own = (0,) if second_segment(page) == 2 else ()
        return Choices(self.loss or forms.options, forms.option_hidden, own, self.asked)


@dataclass(frozen=True)
class Question:
    """What is chosen for: a row of the table, the answer for which a reason is wanted, the right option (-1: unknown)."""

    row: int
    given: int | None
    right: int


def _asked(row: int, found: dict[str, Any]) -> list[Question]:
    """The question of a row, and its reasons: given the right answer, or given each where nobody knows the right one."""
    answer, reason = (-1 if found[name] is None else found[name] for name in ("answer", "reason"))
    given = [] if not found["reasons"] else range(len(found["answers"])) if answer < 0 else [answer]
    return [Question(row, None, answer), *(Question(row, each, reason) for each in given)]


class Chosen(Examples):
    """Questions, then (row by row) the reasons for their right answers, or for each answer where nobody knows the right one."""

    figure = "choices"

    def __init__(self, source: Source, rows: list[dict[str, Any]], training: bool, asked: Asked) -> None:
        self.rows, self.store = rows, source.store
        every = [question for row, found in enumerate(rows) for question in _asked(row, found)]
        answers = [question for question in every if question.given is None]
        reasons = [question for question in every if question.given is not None]
        wanted = {"both": answers + reasons, "answers": answers, "reasons": reasons}[asked]
        self.asked = [question for question in wanted if question.right >= 0 or not training]
        sizes = {len(self._options(question)) for question in self.asked}
        if len(sizes) != 1:
            raise DataError(f"{source.data.path}: all choices must have as many options, found {sorted(sizes)}.")
        self.group = sizes.pop()
        links = _Links(source)
        asking = [links.read(rows[q.row], self._question(q)) for q in self.asked]
        options = [links.read(rows[q.row], option) for q in self.asked for option in self._options(q)]
        self.questions, self.options = _encode(source.words, asking), _encode(source.words, options)
        self.separator = source.words.vocab.separator
        self.units = [rows[q.row]["image_id"] for q in self.asked]
        kinds = [rows[q.row].get("kind", "") for q in self.asked]
        self.kinds = kinds if any(kinds) else []
        self._regions = self.store.counts[self.store.rows(self.units)]

    def _question(self, question: Question) -> str:
        row = self.rows[question.row]
        return str(row["question"] if question.given is None else f"{row['question']} {row['answers'][question.given]}")

    def _options(self, question: Question) -> list[str]:
        found: list[str] = self.rows[question.row]["answers" if question.given is None else "reasons"]
        return found

    def __len__(self) -> int:
        return len(self.asked)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each question with all its options."""
        words = self.questions.lengths[:, None] + self.options.lengths.reshape(-1, self.group) + 1
        each = np.minimum(words, max_words) + 2 + np.minimum(self._regions, max_regions)[:, None]
        total: Rows = each.sum(1)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The questions with each of their options, and which one is right [n, K]."""
        options = self.options.rows((rows[:, None] * self.group + np.arange(self.group)).ravel())
        every = rows.repeat(self.group)
        regions = self.store.gather([self.units[row] for row in every])
        positions = draw.positions.repeat(self.group)
        batch = seated(seats, self.questions.rows(every), options, regions, positions, self.group, self.separator)
        right = torch.tensor([self.asked[row].right for row in rows])
        targets = torch.nn.functional.one_hot(right.clamp(min=0), self.group).float() * (right >= 0)[:, None]
        return TaskBatch(Choices.name, batch, targets)

    def said(self, rows: Rows, scores: Float[Tensor, "n K"]) -> Said:
        """The option with the highest score, all the scores as shares, and whether it is right."""
        labels = np.array([self.asked[row].right for row in rows])
        found = right(scores.numpy(), labels)
        shares = scores.softmax(1).numpy()
        return {
            "predicted": scores.argmax(1).numpy(),
            "score": shares.max(1),
            "shares": shares,
            "accuracy": np.where(labels < 0, np.nan, found),
        }

    def columns(self) -> dict[str, Any]:
        """The questions with their options."""
        asked = [(self.rows[q.row], q) for q in self.asked]
        return {
            "choice_id": [row["choice_id"] for row, _ in asked],
            "image_id": self.units,
            "asked": ["answer" if q.given is None else "reason" for _, q in asked],
            "given": [q.given for _, q in asked],
            "question": [self._question(q) for _, q in asked],
            "options": [self._options(q) for _, q in asked],
            "right": [q.right if q.right >= 0 else None for _, q in asked],
            "language": [row["language"] for row, _ in asked],
            **self.kind_column(),
        }

    def measures(self, said: Said) -> list[Measure]:
        """The three figures of VCR; the reason of "Q→AR" is chosen given the right answer."""
        found = np.full((2, len(self.rows)), np.nan)
        for question, accuracy in zip(self.asked, said["accuracy"]):
            found[int(question.given is not None), question.row] = accuracy
        values = {"Q→A": found[0], "QA→R": found[1], "Q→AR": both(found[0], found[1])}
        units = [row["image_id"] for row in self.rows]
        kinds = [row.get("kind", "") for row in self.rows]
        return [Measure(f"choices {name}", each, units, kinds) for name, each in values.items()]

    def summary(self) -> str:
        """How many questions there are."""
        reasons = sum(question.given is not None for question in self.asked)
        return f"{len(self) - reasons:,} questions and {reasons:,} of their reasons, each among {self.group}"

    def submission(self, predictions: pa.Table) -> tuple[str, str] | None:
        """The table of VCR's server: the share of each answer, and of each reason given each; None where some is known."""
        lines: dict[str, list[float]] = {}
        if any(question.right >= 0 for question in self.asked):
            return None
        for name, shares in zip(predictions["choice_id"].to_pylist(), predictions["shares"].to_pylist()):
            lines.setdefault(name, []).extend(shares)
        options = range(self.group)
        heads = ["annot_id", *(f"answer_{i}" for i in options)]
        heads += [f"rationale_conditioned_on_a{a}_{i}" for a in options for i in options]
        rows = [",".join([name, *map(str, shares)]) for name, shares in lines.items()]
        return "vcr_results.csv", "\n".join([",".join(heads), *rows, ""])


def seated(
    seats: Seating,
    first: TokenTable,
    second: TokenTable | None,
    regions: PackedRegions,
    positions: NDArray[np.int64],
    group: int,
    separator: int,
) -> Batch:
    """Texts of two parts, or of one, with regions, row by row; ``group`` rows an example."""
    seats = dataclasses.replace(seats, sentences=2)
    tokens = first if second is None else first.beside(second, separator, seats.max_words)
    return seats.batch(tokens, regions, np.ones(len(first), np.bool_), positions, group)


Linked = tuple[str, list[tuple[int, int]]]
"""A text without its object numbers, and for some of its words (by the end of each in the text) the region that it names."""


class _Links:
    """From the numbers of objects in a text to the regions of the picture."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._objects: dict[str, list[list[float]]] = {}
        if "objects" in source.data.tables:
            for split in source.data.splits:
                table = source.data.table("objects", split, ["image_id", "boxes"])
                self._objects |= dict(zip(table["image_id"].to_pylist(), table["boxes"].to_pylist()))

    def read(self, row: dict[str, Any], text: str) -> Linked:
        """A text of a row."""
        plain, named, end = "", [], 0
        for found in _NAMED.finditer(text):
            plain += text[end : found.start()] + found[1]
            end = found.end()
            named.append((len(plain), self._region(row["image_id"], [int(n) for n in _NUMBER.findall(found[2])])))
        return plain + text[end:], named

    def _region(self, image: str, objects: Sequence[int]) -> int:
        """The region that covers the first of some objects best; -1 where none covers enough of it."""
        boxes = self._objects.get(image, [])
        if objects[0] >= len(boxes):
            raise DataError(f"image {image!r}: a text names object {objects[0]}, but the data has {len(boxes)} of it.")
        regions = torch.from_numpy(np.array(self.source.store.get(image).boxes, np.float32))
        overlap = iou(regions, torch.tensor([boxes[objects[0]]]))[:, 0]
        best = int(overlap.argmax()) if len(overlap) else -1
        return best if best >= 0 and float(overlap[best]) >= ENOUGH else -1


def _encode(words: Words, texts: Sequence[Linked]) -> TokenTable:
    """The tokens of texts, each with the region that its word names."""
    found = words.encode([text for text, _ in texts])
    if not any(named for _, named in texts):
        return found
    link = np.full(len(found.ids), -1)
    for row, (text, named) in enumerate(texts):
        begin = int(found.offsets[row])
        for end, region in named:
            # The pieces of the text up to the word's end are as many as those of the text that ends there.
            last = begin + len(words.encode([text[:end]]).ids) - 1
            word = found.word[begin : int(found.offsets[row + 1])]
            link[begin:][: len(word)][word == found.word[last]] = region
    return TokenTable(found.ids, found.word, found.offsets, link)
