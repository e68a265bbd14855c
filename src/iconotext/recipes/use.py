"""A trained model on raw pictures: match, fill, answer, choose, ground, phrases, compare, rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from iconotext.core.batch import Batch
from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.data.collate import Seating
from iconotext.data.words import TokenTable, Words
from iconotext.models.checkpoint import Saved
from iconotext.models.checkpoint import load as load_checkpoint
from iconotext.models.multitask import MultiTaskModel
from iconotext.models.pretrain import PretrainModel
from iconotext.models.task import TaskModel
from iconotext.recipes.material import seating
from iconotext.recipes.seeing import Picture, opened, pack
from iconotext.regions.detections import Detections, Detector
from iconotext.regions.draw import draw_regions
from iconotext.regions.table import DetectorOptions, open_like
from iconotext.tasks import choices, grounding, statements
from iconotext.tasks.beam import USUAL, Search
from iconotext.tasks.captions import WRITERS
from iconotext.tasks.retrieval import scoring
from iconotext.tasks.writing import Writer, text_of

T = TypeVar("T")
PRODUCTS = 64
"""Products of one forward pass."""


@dataclass(frozen=True)
class Product:
    """What a shop sells: a picture, a title, or both."""

    picture: Picture | None = None
    title: str = ""


@dataclass(frozen=True)
class Phrases:
    """Where each phrase of a sentence is: box in pixels and score in 0-1, and the picture with the boxes, numbered from 1."""

    phrases: tuple[str, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    scores: tuple[float, ...]
    picture: Image.Image


@dataclass(frozen=True)
class Grounded:
    """Where a description is: a box in pixels, its score in 0-1, and the picture with the box drawn."""

    box: tuple[float, float, float, float]
    score: float
    picture: Image.Image


def load(
    path: str | Path, device: str | torch.device = "cpu", detector: DetectorOptions | None = None, task: str = ""
) -> Model:
    """The model in a run's folder, ready for pictures.

    ``detector`` tells where the weights are that made its features, if they are neither in the package nor in the folder of
    artefacts. Of a run of several tasks each call takes the first that fits, unless ``task`` names the one.

    Raises:
        MissingPiece: there is none, or no such task; the message names the command that makes one.
    """
    return Model(load_checkpoint(Path(path), device, task), torch.device(device), detector)


class Model:
    """A checkpoint that takes pictures (files or PIL images) and texts.

    Regions are found by the detector that made the model's training features; the last pictures' regions are kept.
    """

    def __init__(self, saved: Saved, device: torch.device, detector: DetectorOptions | None = None) -> None:
        self.saved = saved
        self.words = Words.load(saved.tokenizer)
        self.device = device
        self._finding = detector or DetectorOptions(device=str(device))

    @cached_property
    def detector(self) -> Detector:
        """What finds the regions, as in training.

        Raises:
            MissingPiece: its weights are not here; the message names them and where to put them.
            FingerprintError: the detector here makes other features.
        """
        return open_like(self.saved.features.fingerprint, self._finding, self.saved.features.class_names)

    def regions(self, pictures: Sequence[Picture]) -> list[tuple[tuple[int, int], Detections]]:
        """Size and regions of each picture."""
        images = [opened(picture) for picture in pictures]
        found = self.detector.detect([np.asarray(picture) for picture in images])
        return [(picture.size, detections) for picture, detections in zip(images, found)]

    @torch.no_grad()
    def match(self, images: Picture | Sequence[Picture], texts: str | Sequence[str]) -> list[float]:
        """The probability that each text belongs to its image; one image or one text goes with all of the others.

        From a model without image-text matching (dual encoder, UNIMO) its score, which only ranks.

        Raises:
            MissingPiece: the model cannot score pairs.
            ConfigError: neither side is single and their numbers differ.
        """
        model = self._pretrained("match", "itm", "cmcl", "contrastive")
        score, (pictures, sentences) = scoring(model), _lists(images, texts)
        assert score is not None
        found = score(model.trunk(self._batch(model, pictures, self.words.encode(sentences))))
        judges = "itm" in model.heads and "cmcl" not in model.heads
        return (found.sigmoid() if judges else found).tolist()

    @torch.no_grad()
    def fill(self, image: Picture, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
        """For each [MASK] of the text the ``top`` most probable words with their probabilities.

        Raises:
            MissingPiece: the model has no masked-word head.
            DataError: the text has no [MASK].
        """
        model = self._pretrained("fill", "mlm")
        if "[MASK]" not in text:
            raise DataError(
                f'fill: {text!r} has no [MASK]; write one for each hidden word, as in "a [MASK] on the grass".'
            )
        batch = self._batch(model, [image], self.words.encode([text]))
        at = (batch.text.ids == self.words.vocab.mask).nonzero()[:, 0]
        guess = model.heads["mlm"](model.trunk(batch).text[at]).float().softmax(-1)
        values, ids = guess.topk(min(top, guess.shape[1]))
        return [
            [(self.words.token(i), v) for i, v in zip(row_ids, row_values)]
            for row_ids, row_values in zip(ids.tolist(), values.tolist())
        ]

    @torch.no_grad()
    def answer(self, image: Picture, question: str, top: int = 5) -> list[tuple[str, float]]:
        """The ``top`` answers with their scores in 0-1 (each answer is scored on its own).

        Raises:
            MissingPiece: the model was not fine-tuned to answer.
        """
        model = self.saved.doing(lambda kind: kind.head == "answer")
        if model is None:
            raise MissingPiece(
                f"{self.saved.path} does not answer questions; `iconotext finetune vqa --from {self.saved.path}` makes a "
                "model that does."
            )
        scores = model(self._batch(model, [image], self.words.encode([question]))).float().sigmoid()[0]
        values, ids = scores.topk(min(top, scores.numel()))
        return [(model.task.answers[i], v) for i, v in zip(ids.tolist(), values.tolist())]

    @torch.no_grad()
    def choose(self, image: Picture, question: str, answers: Sequence[str]) -> list[tuple[str, float]]:
        """The answers with their shares, the best first.

        Raises:
            MissingPiece: the model was not fine-tuned to choose.
            ConfigError: there are fewer than two answers.
        """
        model, count = self._tuned("choose", "choices"), len(answers)
        if count < 2:
            raise ConfigError(f"choose: {count} answers leave no choice; give two or more.")
        regions, positions = pack(self.regions([image]) * count), np.zeros(count, np.int64)
        asked, options = self.words.encode([question] * count), self.words.encode(list(answers))
        separator = self.words.vocab.separator
        batch = choices.seated(self.seats(model), asked, options, regions, positions, count, separator)
        shares = model(batch.to(self.device)).float().softmax(1)[0].tolist()
        return sorted(zip(answers, shares), key=lambda found: -found[1])

    @torch.no_grad()
    def ground(self, image: Picture, expression: str) -> Grounded:
        """The region that a description means, on the picture.

        Raises:
            MissingPiece: the model was not fine-tuned to find what descriptions mean.
            DataError: the detector finds no region in the picture.
        """
        model, picture = self._tuned("ground", "expressions"), opened(image)
        found = self._seen(picture, "ground")
        scores = model(self._seated(model, [(picture.size, found)], self.words.encode([expression]))).float()[0]
        shares = scores.softmax(0) if model.task.form == "softmax" else scores.sigmoid()
        best = int(shares.argmax())
        score, (left, top, right, bottom) = float(shares[best]), found.boxes[best].tolist()
        return Grounded(
            (left, top, right, bottom), score, draw_regions(picture, found.boxes[best : best + 1], scores=[score])
        )

    @torch.no_grad()
    def phrases(self, image: Picture, sentence: str) -> Phrases:
        """The region that each phrase means, of a sentence with its phrases in brackets: "[a red car] left of [two dogs]".

        Raises:
            MissingPiece: the model was not fine-tuned to ground phrases.
            DataError: the sentence has no phrase in brackets, or the detector finds no region in the picture.
        """
        model, picture, said = self._tuned("phrases", "grounding"), opened(image), grounding.marked(sentence)
        found, form = self._seen(picture, "phrases"), model.task.form
        regions = pack([(picture.size, found)] * (1 if form == "attention" else len(said.spans)))
        batch = grounding.seated(self.seats(model), self.words, said, regions, form)  # type: ignore[arg-type]
        scores = model(batch.to(self.device)).float().reshape(len(said.spans), -1)
        shares, best = (scores.sigmoid() if form == "sigmoid" else scores.softmax(-1)).max(-1)
        chosen, numbers = found.boxes[best.cpu().numpy()], [str(n) for n in range(1, len(said.spans) + 1)]
        drawn = draw_regions(picture, chosen, numbers)
        return Phrases(tuple(said.phrases), tuple(map(tuple, chosen.tolist())), tuple(shares.tolist()), drawn)

    @torch.no_grad()
    def compare(self, image_a: Picture, image_b: Picture, statement: str) -> float:
        """The probability that a statement on a left and a right picture is true.

        Raises:
            MissingPiece: the model was not fine-tuned to judge statements.
        """
        model = self._tuned("compare", "statements")
        regions, text = pack(self.regions([image_a, image_b])), self.words.encode([statement])
        seats, positions = self.seats(model), np.zeros(1, np.int64)
        batch = statements.seated(seats, text, regions, positions, model.task.form)  # type: ignore[arg-type]
        return float(model(batch.to(self.device)).float().softmax(1)[0, statements.LABELS.index("True")])

    @torch.no_grad()
    def rank(self, query: str, products: Sequence[Product | Picture]) -> list[tuple[int, float]]:
        """The numbers of the products with their scores, the most relevant first; scores compare within one query only.

        A product may lack its picture or its title.

        Raises:
            MissingPiece: the model was not fine-tuned for relevance.
        """
        model = self._tuned("rank", "relevance")
        seats = self.seats(model)
        given = [product if isinstance(product, Product) else Product(product) for product in products]
        titled = any(product.title for product in given)
        scores: list[float] = []
        for begin in range(0, len(given), PRODUCTS):
            some = given[begin : begin + PRODUCTS]
            count, pictures = len(some), [product.picture for product in some if product.picture is not None]
            found = iter(self.regions(pictures) if pictures else [])
            regions = pack([next(found) if product.picture is not None else self._nothing for product in some])
            asked, titles = self.words.encode([query] * count), self.words.encode([p.title for p in some])
            separator, positions = self.words.vocab.separator, np.zeros(count, np.int64)
            batch = choices.seated(seats, asked, titles if titled else None, regions, positions, count, separator)
            scores += model(batch.to(self.device)).float()[0].tolist()
        return sorted(enumerate(scores), key=lambda found: -found[1])

    @torch.no_grad()
    def caption(self, image: Picture, search: Search = USUAL) -> list[tuple[str, float]]:
        """Captions with their log probabilities, the best first; the others are what the search came upon on its way.

        Raises:
            MissingPiece: the model did not learn to write.
        """
        model = self.saved.doing(lambda kind: kind.head == "words") or self.saved.model
        if isinstance(model, MultiTaskModel) or (writer := Writer.of(model, self.seats(model))) is None:
            raise MissingPiece(
                f"{self.saved.path} does not write; `iconotext pretrain --system {WRITERS[0]}` and then `iconotext finetune "
                "captions` make a model that does."
            )
        (found,) = writer.write(self._batch(model, [image], self.words.encode([""])), search)
        return [(text_of(self.words, text.words), text.score) for text in found]

    def _seen(self, picture: Image.Image, call: str) -> Detections:
        """The regions of a picture in which there is something to find."""
        ((_, found),) = self.regions([picture])
        if not len(found):
            raise DataError(
                f"{call}: the detector {self.detector.fingerprint.detector!r} finds nothing in the picture."
            )
        return found

    @property
    def _nothing(self) -> tuple[tuple[int, int], Detections]:
        """A picture that is not there."""
        shape, none = self.saved.model.shape, np.zeros(0, np.float32)
        features, classes = (np.zeros((0, shape[name]), np.float32) for name in ("feature_dim", "classes"))
        return (1, 1), Detections(none.reshape(0, 4), none, features, classes, none.astype(np.int32), none)

    def _tuned(self, call: str, task: str) -> TaskModel:
        model = self.saved.doing(lambda kind: kind.name == task)
        if model is None:
            what = f"fine-tuned for {self.saved.task}" if self.saved.task else "pre-trained"
            raise MissingPiece(
                f"{self.saved.path} is {what} and cannot {call}; `iconotext finetune {task} --from {self.saved.path}` makes a "
                "model that can."
            )
        return model

    def _pretrained(self, call: str, *heads: str) -> PretrainModel:
        model = self.saved.model
        if not isinstance(model, PretrainModel):
            raise MissingPiece(
                f"{self.saved.path} is fine-tuned for {self.saved.task} and cannot {call}; load the folder that "
                "`iconotext pretrain` wrote."
            )
        if not any(head in model.heads for head in heads):
            raise MissingPiece(
                f"{self.saved.path} was pre-trained without {heads[0]}, which {call} needs; pre-train a system that has it "
                "(`iconotext systems`)."
            )
        return model

    def seats(self, model: PretrainModel | TaskModel) -> Seating:
        """How a model wants its pairs, with the token of its task where it has one."""
        return seating(model.system, self.words.vocab, model.task.name if isinstance(model, TaskModel) else "")

    def _batch(self, model: PretrainModel | TaskModel, pictures: Sequence[Picture], tokens: TokenTable) -> Batch:
        """One row a text; a single picture is looked at once and goes with all texts."""
        return self._seated(model, self.regions(pictures), tokens)

    def _seated(
        self, model: PretrainModel | TaskModel, found: list[tuple[tuple[int, int], Detections]], tokens: TokenTable
    ) -> Batch:
        if len(found) == 1:
            found = found * len(tokens)
        if len(tokens) == 1:
            tokens = tokens.rows(np.zeros(len(found), np.int64))
        rows = np.arange(len(found))
        return self.seats(model).batch(tokens, pack(found), np.ones(len(found), np.bool_), rows).to(self.device)


def _lists(images: Picture | Sequence[Picture], texts: str | Sequence[str]) -> tuple[list[Picture], list[str]]:
    pictures: list[Picture] = [images] if isinstance(images, str | Path | Image.Image) else list(images)
    sentences = [texts] if isinstance(texts, str) else list(texts)
    if len(pictures) != len(sentences) and 1 not in (len(pictures), len(sentences)):
        raise ConfigError(
            f"match: {len(pictures)} images and {len(sentences)} texts; give as many of each, or one of one side."
        )
    return pictures, sentences
