"""Phrase grounding: for each phrase of a sentence, which region of the picture it means (table ``phrases``).

The candidates are the regions of the store; phrases that mean nothing with a box are no part of it. Flickr30k Entities
(Plummer et al., IJCV 2017) is the published corpus; the captions of the built-in world are another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iconotext.core.batch import Batch, Loss
from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating
from iconotext.data.store import PackedRegions
from iconotext.data.words import Words
from iconotext.heads.tasks import Phrases
from iconotext.models.system import System
from iconotext.models.task import TaskKind
from iconotext.tasks.base import LOSSES, Examples, Measure, Rows, Said, Source, TaskBatch, lists
from iconotext.tasks.metrics.boxes import ENOUGH
from iconotext.tasks.metrics.phrases import CONVENTION, DEPTHS, PROTOCOLS, covers, recall, right

Form = Literal["attention", "softmax", "sigmoid"]
NAMES = {"any": "any box", "merged": "merged box"}
"""What a figure calls a protocol."""


@dataclass(frozen=True)
class Grounding:
    """A score of each region for each phrase.

    "attention": one pass over the sentence; the head is an attention from each phrase's last word to the regions. Loss: the KL
    divergence from the uniform distribution over the regions that cover one of the phrase's boxes (IoU 0.5 or more), summed
    over the phrases of a sentence; a phrase that no region covers adds nothing (VisualBERT). "softmax", "sigmoid": each phrase
    is read alone, and has the head and the loss of a referring expression (``tasks.expressions``; 12-in-1 has "sigmoid").
    Losses are means over the texts that are read. 12-in-1's code takes the first of several boxes for right and adds a pixel to
    widths; here any of them is right, and no pixel is added (tests/unit/tasks/test_grounding.py).
    """

    name: ClassVar[str] = "grounding"
    table: ClassVar[str] = "phrases"
    form: Form = "attention"
    hidden: float = 0.0

    @property
    def kind(self) -> TaskKind:
        """A head of phrases, or of regions where phrases are read alone."""
        return TaskKind(
            self.name, "phrases" if self.form == "attention" else "region", hidden=self.hidden, form=self.form
        )

    def loss(self, scores: Float[Tensor, "E *P R"], micro: TaskBatch) -> Loss:
        """The loss of the texts; 0 where no regions are shown, so that there is nothing to choose."""
        if not scores.shape[-1]:
            return Loss(scores.float().sum(), torch.tensor(float(micro.examples), device=scores.device))
        if self.form == "attention":
            return divergence(scores, micro.targets)
        return LOSSES[self.form](scores, micro.targets[:, 0])

    def examples(self, source: Source, split: str, training: bool) -> Grounded:
        """The sentences of a split, or their phrases; those to train on mean something that a region covers."""
        rows = source.read(self.table, split, "image_id")
        return Grounded(source, [Sentence.of(row) for row in rows], self.form, training)


@dataclass(frozen=True)
class GroundingOptions:
    """Fine-tune a pre-trained model to find what each phrase of a sentence means."""

    phrases: Phrases | None = None
    """attention: all phrases of a sentence at once; alone: each without its sentence. None: as the system's papers do."""

    def task(self, source: Source, split: str, page: System) -> Grounding:
        """The task with the page's head."""
        if (self.phrases or page.downstream.phrases) == "attention":
            return Grounding()
        return Grounding(page.downstream.regions, page.downstream.region_hidden)


@dataclass(frozen=True)
class Sentence:
    """A text with phrases: where each begins and ends in it, in letters, what types it has, and the boxes that it means."""

    id: str
    image: str
    text: str
    language: str
    spans: tuple[tuple[int, int], ...]
    types: tuple[tuple[str, ...], ...]
    boxes: tuple[tuple[tuple[float, ...], ...], ...]

    @classmethod
    def of(cls, row: dict[str, Any]) -> Sentence:
        """A row of the table.

        Raises:
            DataError: its lists are not equally long, or a span lies outside of the text.
        """
        spans, types, boxes = row["spans"], row["types"], row["boxes"]
        name, text = row["sentence_id"], row["text"]
        if not len(spans) == len(types) == len(boxes):
            raise DataError(f"sentence {name!r} has {len(spans)} spans, {len(types)} types and {len(boxes)} boxes.")
        if not all(0 <= begin < end <= len(text) for begin, end in spans):
            raise DataError(f"sentence {name!r}: the spans {spans} are not of its {len(text)} letters.")
        return cls(
            name,
            row["image_id"],
            text,
            row["language"],
            tuple((begin, end) for begin, end in spans),
            tuple(map(tuple, types)),
            tuple(tuple(map(tuple, found)) for found in boxes),
        )

    @property
    def phrases(self) -> list[str]:
        """The phrases in words."""
        return [self.text[begin:end] for begin, end in self.spans]

    def some(self, chosen: Sequence[int]) -> Sentence:
        """The sentence with some of its phrases."""
        return replace(
            self,
            spans=tuple(self.spans[i] for i in chosen),
            types=tuple(self.types[i] for i in chosen),
            boxes=tuple(self.boxes[i] for i in chosen),
        )

    def texts(self, form: Form) -> list[Sentence]:
        """What is read: the sentence, or each phrase as a text of its own."""
        if form == "attention":
            return [self]
        phrases = enumerate(self.phrases)
        return [replace(self.some([i]), text=phrase, spans=((0, len(phrase)),)) for i, phrase in phrases]


class Grounded(Examples):
    """Sentences, or phrases alone, with the regions of their images."""

    figure = "phrases R@1, any box"

    def __init__(self, source: Source, sentences: Sequence[Sentence], form: Form, training: bool) -> None:
        self.store, self.form = source.store, form
        there = [found.some([i for i, boxes in enumerate(found.boxes) if boxes]) for found in sentences]
        self.without_box = sum(len(found.spans) for found in sentences) - sum(len(found.spans) for found in there)
        texts = [text for found in there if found.spans for text in found.texts(form)]
        self.texts: list[Sentence] = []
        self.overlaps: list[Float[np.ndarray, "P R"]] = []
        for text in texts:
            regions = self._regions(text)
            overlap = np.stack([covers(regions, np.array(boxes)) for boxes in text.boxes])
            if not training or (overlap >= ENOUGH).any():
                self.texts.append(text)
                self.overlaps.append((overlap * (overlap >= ENOUGH)).astype(np.float32))
        self.left_out = len(texts) - len(self.texts)
        self.tokens = source.words.encode([text.text for text in self.texts])
        self.last = source.words.ends([text.text for text in self.texts], [text.spans for text in self.texts])
        self.units = [text.image for text in self.texts]
        self.kinds: list[str] = []
        self._counts = self.store.counts[self.store.rows(self.units)] if self.texts else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.texts)

    def _regions(self, text: Sentence) -> Float[np.ndarray, "R 4"]:
        return np.asarray(self.store.get(text.image).boxes, np.float64)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each pair."""
        total: Rows = np.minimum(self.tokens.lengths, max_words) + 2 + np.minimum(self._counts, max_regions)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The texts with their regions, and how well each region covers what each phrase means [n, P, R], 0 below 0.5."""
        chosen = rows.tolist()
        regions = self.store.gather([self.units[row] for row in chosen])
        tokens = self.tokens.rows(rows)
        text = seats.batch(tokens, regions, np.ones(len(rows), np.bool_), draw.positions)
        batch = replace(text, phrases=seats.phrases(text.text, tokens, [self.last[row] for row in chosen]))
        found = [self.overlaps[row][:, : seats.most_regions] for row in chosen]
        targets = np.zeros((len(rows), batch.phrases.shape[1], max(part.shape[1] for part in found)), np.float32)
        for target, part in zip(targets, found):
            target[: part.shape[0], : part.shape[1]] = part
        return TaskBatch(Grounding.name, batch, torch.from_numpy(targets))

    def said(self, rows: Rows, scores: Float[Tensor, "n *P R"]) -> Said:
        """The best box of each phrase, its share or probability, and the recalls of each; "accuracy" is the mean R@1.

        A model that sees no regions guesses: its recall is the chance of a right one among all of the picture.
        """
        every = scores.float() if scores.ndim == 3 else scores.float()[:, None]
        shares = every.sigmoid() if self.form == "sigmoid" else every.softmax(-1)
        columns: dict[str, list[Any]] = {"predicted": [], "score": [], "accuracy": []}
        columns |= {f"{protocol}_{k}": [] for protocol in PROTOCOLS for k in DEPTHS}
        for row, own, share in zip(rows.tolist(), every.numpy(), shares.numpy()):
            text = self.texts[row]
            regions, count = self._regions(text), len(text.spans)
            ranked = own[:count, : len(regions)] if own.shape[1] else np.zeros((count, len(regions)), np.float32)
            read = regions[: ranked.shape[1]]
            for protocol in PROTOCOLS:
                hits = [right(read, np.array(boxes), protocol) for boxes in text.boxes]
                for k in DEPTHS:
                    columns[f"{protocol}_{k}"].append([recall(*pair, k) for pair in zip(ranked, hits)])
            seen = own.shape[1] > 0 and len(read) > 0
            best = ranked.argmax(1) if seen else []
            columns["predicted"].append(read[best].tolist() if seen else [[0.0] * 4] * count)
            columns["score"].append(float(share[np.arange(count), best].mean()) if seen else 0.0)
            columns["accuracy"].append(float(np.mean(columns["any_1"][-1])))
        return {
            name: np.array(found) if name in ("score", "accuracy") else lists(found) for name, found in columns.items()
        }

    def columns(self) -> dict[str, Any]:
        """The texts with their phrases, and the boxes that they mean."""
        return {
            "sentence_id": [text.id for text in self.texts],
            "image_id": self.units,
            "text": [text.text for text in self.texts],
            "phrases": [text.phrases for text in self.texts],
            "types": [[list(types) for types in text.types] for text in self.texts],
            "boxes": [[list(map(list, boxes)) for boxes in text.boxes] for text in self.texts],
            "language": [text.language for text in self.texts],
        }

    def measures(self, said: Said) -> list[Measure]:
        """R@1, R@5 and R@10 of the phrases by both protocols; R@1 with any box also by type."""
        units = [text.image for text in self.texts for _ in text.spans]
        types = [types for text in self.texts for types in text.types]
        return [
            Measure(
                f"phrases R@{k}, {NAMES[protocol]}",
                np.array([value for row in said[f"{protocol}_{k}"] for value in row], np.float64),
                units,
                types if (protocol, k) == ("any", 1) else (),
            )
            for protocol in PROTOCOLS
            for k in DEPTHS
        ]

    def about(self) -> dict[str, Any]:
        """The best possible recalls with these regions, the rule of a hit, and what is not counted."""
        pairs = [(self._regions(text), np.array(boxes)) for text in self.texts for boxes in text.boxes]
        bounds = {p: float(np.mean([right(*pair, p).any() for pair in pairs])) if pairs else 0.0 for p in PROTOCOLS}
        return {
            "upper_bound": bounds["any"],
            "upper_bound_merged": bounds["merged"],
            "phrases": len(pairs),
            "boxes": self.store.fingerprint.boxes,
            "convention": CONVENTION,
            "ties": "expected rank",
            "left_out": self.left_out,
            "without_box": self.without_box,
        }

    def summary(self) -> str:
        """How many texts and phrases there are."""
        count = sum(len(text.spans) for text in self.texts)
        what = "sentences" if self.form == "attention" else "phrases alone"
        return f"{len(self):,} {what} with {count:,} phrases; {self.left_out:,} left out, which no region covers"


def divergence(scores: Float[Tensor, "E P R"], targets: Float[Tensor, "E P R"]) -> Loss:
    """KL divergence from the uniform distribution over the regions whose target is not 0, summed over the phrases."""
    hits = targets > 0
    shares = hits / hits.sum(-1, keepdim=True).clamp(min=1)
    logs = scores.float().log_softmax(-1).masked_fill(~hits, 0.0)
    return Loss((torch.xlogy(shares, shares) - shares * logs).sum(), logs.new_tensor(float(len(targets))))


def marked(text: str) -> Sentence:
    """A sentence of a text that has its phrases in brackets, such as "[a red car] left of [two dogs]".

    Raises:
        DataError: there is no phrase, or a bracket is not closed.
    """
    plain, spans = "", []
    for part in re.split(r"(\[[^\[\]]*\])", text):
        if part.startswith("[") and part.endswith("]") and part[1:-1].strip():
            spans.append((len(plain), len(plain) + len(part) - 2))
            part = part[1:-1]
        plain += part
    if not spans or set(plain) & set("[]"):
        raise DataError(
            f'{text!r} has no phrase in brackets, or one that is not closed; write "[a red car] beside [a dog]".'
        )
    nothing = ((),) * len(spans)
    return Sentence("", "", plain, "", tuple(spans), nothing, nothing)


def seated(seats: Seating, words: Words, sentence: Sentence, regions: PackedRegions, form: Form) -> Batch:
    """A sentence with the regions of its picture, as ``Grounded.batch`` makes it; a row a phrase where they are read alone.

    ``regions`` has as many rows.
    """
    texts = sentence.texts(form)
    lines = [text.text for text in texts]
    tokens, rows = words.encode(lines), np.arange(len(lines))
    batch = seats.batch(tokens, regions, np.ones(len(lines), np.bool_), rows)
    last = words.ends(lines, [text.spans for text in texts])
    return replace(batch, phrases=seats.phrases(batch.text, tokens, last))
