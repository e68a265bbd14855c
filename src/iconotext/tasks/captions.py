"""Captions of pictures, written word by word."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from iconotext.core.batch import Loss
from iconotext.core.errors import ConfigError, DataError
from iconotext.core.seed import Draw
from iconotext.data.collate import Seating, Sees
from iconotext.models.system import System
from iconotext.models.task import TaskKind, TaskModel, writer_of
from iconotext.models.trunk import device_of
from iconotext.objectives.caption import CaptionMLM
from iconotext.tasks.base import Examples, Measure, Rows, Said, Source, TaskBatch, chunks
from iconotext.tasks.beam import GREEDY, Search
from iconotext.tasks.metrics import captions, ptb
from iconotext.tasks.writing import Writer, text_of, writes
from iconotext.train.config import Precision
from iconotext.train.precision import autocast

WRITERS = ("vlp",)
"""The systems whose pages learn to write; a page of one's own may as well."""
SEES: tuple[Sees, ...] = ("both", "text")
_HAN = "[\u3400-\u4dbf\u4e00-\u9fff]"


@dataclass(frozen=True)
class Captions:
    """The page's own masked words from left to right, and nothing else (Unified VLP fine-tunes so).

    Head: the vocabulary at the hidden words. Group: one pair.
    Loss: ``objective``'s, mean over the hidden words of a batch. ``only`` captions of a kind, where that is not "".
    """

    name: ClassVar[str] = "captions"
    table: ClassVar[str] = "texts"
    objective: CaptionMLM = CaptionMLM(pattern="seq2seq", segments=4)
    only: str = ""

    @property
    def kind(self) -> TaskKind:
        """The head with which the page learned to write."""
        return TaskKind(self.name, "words", form=self.only)

    def loss(self, scores: Float[Tensor, "P V"], micro: TaskBatch) -> Loss:
        """The objective's loss at the hidden words."""
        targets = self.objective.targets(micro.batch.scored, micro.targets)
        return self.objective.loss_of(scores, micro.batch, targets)

    def examples(self, source: Source, split: str, training: bool) -> Texts | Pictures:
        """To train on, the captions of a split; else its pictures.

        Of pictures those are left out whose captions are all of another language or kind; where nobody wrote one it is still to
        be written.
        """
        table = source.data.table("texts", split).to_pylist() if source.has("texts", split) else []
        wanted = [row for row in table if source.language in ("", row["language"]) and self.only in ("", row["kind"])]
        if training:
            rows = [row for row in wanted if row["image_id"] in source.store]
            if not rows:
                raise DataError(
                    f"{source.data.path}: none of the {len(table)} captions of split {split!r} is of the kind and language "
                    f"that are asked for and has a picture with regions in {source.store.path}."
                )
            return Texts(source, rows, self.objective)
        others = {row["image_id"] for row in table} - {row["image_id"] for row in wanted}
        pictures = source.data.image_ids(split) if source.has("images", split) else [row["image_id"] for row in table]
        images = [name for name in dict.fromkeys(pictures) if name in source.store and name not in others]
        if not images:
            raise DataError(
                f"{source.data.path}: no picture of split {split!r} has regions in {source.store.path} and a caption of the "
                "kind and language that are asked for."
            )
        given: dict[str, list[str]] = {name: [] for name in images}
        for row in wanted:
            given.get(row["image_id"], []).append(row["text"])
        return Pictures(source, given)


@dataclass(frozen=True)
class CaptionOptions:
    """Fine-tune a pre-trained model to write captions of pictures."""

    kind: str = ""
    """Learn from captions of this kind and write such, such as list in the built-in world; empty takes all."""

    def task(self, source: Source, split: str, page: System) -> Captions:
        """The task with what the page learned to write with.

        Raises:
            ConfigError: it did not.
        """
        if not writes(page):
            raise ConfigError(
                f"{page.title} does not learn to write: its words see what comes after them. Captions need a system with words "
                f"masked from left to right in one stream: {', '.join(WRITERS)}."
            )
        return Captions(writer_of(page), self.kind)


class Texts(Examples):
    """Captions with the regions of their pictures, a few words of each hidden anew in every epoch."""

    figure = "captions"
    sees = SEES

    def __init__(self, source: Source, rows: list[dict[str, Any]], objective: CaptionMLM) -> None:
        self.store, self.objective = source.store, objective
        self.units, self.kinds = [row["image_id"] for row in rows], [row["kind"] for row in rows]
        self.ids, self.strings = [row["text_id"] for row in rows], [row["text"] for row in rows]
        self.texts = source.words.encode(self.strings)
        self._regions = self.store.counts[self.store.rows(self.units)]

    def __len__(self) -> int:
        return len(self.units)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each pair."""
        total: Rows = np.minimum(self.texts.lengths, max_words) + 3 + np.minimum(self._regions, max_regions)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The captions as the objective corrupts them, and the words that stood there."""
        regions = self.store.gather([self.units[row] for row in rows])
        clean = seats.batch(self.texts.rows(rows), regions, np.ones(len(rows), np.bool_), draw.positions)
        batch, targets = self.objective.corrupt(clean, clean, draw, seats.vocab)
        return TaskBatch(Captions.name, dataclasses.replace(batch, scored=targets.positions), targets.values)

    def columns(self) -> dict[str, Any]:
        """The captions with their pictures."""
        return {"text_id": self.ids, "image_id": self.units, "text": self.strings, **self.kind_column()}

    def summary(self) -> str:
        """How many captions and pictures there are."""
        return f"{len(self):,} captions of {len(set(self.units)):,} pictures"


class Pictures(Examples):
    """Pictures with the captions that people gave them, all of which a caption may be like; there may be none.

    The figures are those of the COCO caption evaluation, each picture a unit. A caption's "accuracy" is its ROUGE-L, since
    BLEU is of all captions together and CIDEr weighs words by all pictures. Every Chinese character counts as a word.
    """

    figure = "captions"
    sees = SEES
    kinds = ()

    def __init__(self, source: Source, given: dict[str, list[str]]) -> None:
        self.store, self.words, self.given = source.store, source.words, given
        self.units = list(given)
        self._nothing = source.words.encode([""])
        self._regions = self.store.counts[self.store.rows(self.units)]

    def __len__(self) -> int:
        return len(self.units)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each picture."""
        total: Rows = 3 + np.minimum(self._regions, max_regions)
        return total

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The pictures with no words beside them; nothing to compare with."""
        regions, there = self.store.gather([self.units[row] for row in rows]), np.ones(len(rows), np.bool_)
        batch = seats.batch(self._nothing.rows(np.zeros(len(rows), np.int64)), regions, there, draw.positions)
        return TaskBatch(Captions.name, batch, torch.zeros(len(rows), 0))

    def ask(
        self,
        model: TaskModel,
        rows: Rows,
        seats: Seating,
        precision: Precision,
        chunk: int = 256,
        search: Search = GREEDY,
    ) -> Iterator[tuple[Rows, Said]]:
        """The best caption found for each picture, its log probability, and its ROUGE-L."""
        device, writer = device_of(model), Writer.of(model, seats)
        assert writer is not None
        for chosen, batch in chunks(self, rows, seats, chunk // search.beams):
            with autocast(precision, device):
                best = [found[0] for found in writer.write(batch.to(device), search)]
            texts = [text_of(self.words, found.words) for found in best]
            near = [self._rouge_l(row, text) for row, text in zip(chosen.tolist(), texts)]
            scores = np.array([found.score for found in best])
            yield chosen, {"predicted": np.array(texts, object), "score": scores, "accuracy": np.array(near)}

    def _rouge_l(self, row: int, text: str) -> float:
        given = self._divided[row]
        return captions.rouge_l(divided(text), given) if given else float("nan")

    @cached_property
    def _divided(self) -> list[list[str]]:
        return [[divided(text) for text in texts] for texts in self.given.values()]

    def measures(self, said: Said) -> list[Measure]:
        """BLEU-1 to 4, ROUGE-L and CIDEr-D of the pictures with captions; CIDEr's word weights are held fixed."""
        known = np.array([bool(texts) for texts in self._divided])
        if not known.any():
            return []
        cases = np.flatnonzero(known).tolist()
        ours = {self.units[case]: divided(said["predicted"][case]) for case in cases}
        found = captions.evaluate(ours, {self.units[case]: self._divided[case] for case in cases})
        place = known.cumsum() - 1

        def each(values: Float[np.ndarray, "C"]) -> Float[np.ndarray, "N"]:
            return np.where(known, values[place.clip(min=0)], np.nan)

        def bleu(order: int, rows: Rows) -> float:
            return float(found.bleu(place[rows])[order])

        alone = found.bleu_of_each()
        return [
            *(
                Measure(f"BLEU-{order + 1}", each(alone[:, order]), self.units, together=partial(bleu, order))
                for order in range(captions.ORDERS)
            ),
            Measure("ROUGE-L", each(found.rouge_l), self.units),
            Measure("CIDEr", each(found.cider), self.units),
        ]

    def columns(self) -> dict[str, Any]:
        """The pictures with their captions."""
        return {"image_id": self.units, "references": pa.array(self.given.values(), pa.list_(pa.string()))}

    def about(self) -> dict[str, Any]:
        """How many captions there are to compare with."""
        return {"references": sum(map(len, self.given.values()))}

    def submission(self, predictions: pa.Table) -> tuple[str, str]:
        """The list of results that the COCO caption server takes."""
        pairs = zip(predictions["image_id"].to_pylist(), predictions["predicted"].to_pylist())
        rows = [{"image_id": int(name) if name.isdigit() else name, "caption": text} for name, text in pairs]
        return "captions_results.json", json.dumps(rows, ensure_ascii=False)


def divided(text: str) -> str:
    """The words of a caption as the COCO evaluation divides them; every Chinese character is one."""
    return ptb.tokenise(re.sub(_HAN, r" \g<0> ", text))
