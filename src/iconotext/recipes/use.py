"""A trained model on raw pictures: match, fill, answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from iconotext.core.batch import Batch
from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.data.pictures import decode
from iconotext.data.store import PackedRegions
from iconotext.data.words import TokenTable, Words
from iconotext.models.checkpoint import Saved
from iconotext.models.checkpoint import load as load_checkpoint
from iconotext.models.pretrain import PretrainModel
from iconotext.models.task import TaskModel
from iconotext.objectives.itm import ITM
from iconotext.recipes.material import seating
from iconotext.regions.detections import Detections, Detector
from iconotext.regions.table import DetectorOptions, open_like

Picture = str | Path | Image.Image
T = TypeVar("T")


def load(path: str | Path, device: str | torch.device = "cpu", detector: DetectorOptions | None = None) -> Model:
    """The model in a run's folder, ready for pictures.

    ``detector`` tells where the weights are that made its features, if they are neither in the package nor in the folder of
    artefacts.

    Raises:
        MissingPiece: there is none; the message names the command that makes one.
    """
    return Model(load_checkpoint(Path(path), device), torch.device(device), detector)


class Model:
    """A checkpoint that takes pictures (files or PIL images) and texts.

    Regions are found by the detector that made the model's training features; the last pictures' regions are kept.
    """

    def __init__(self, saved: Saved, device: torch.device, detector: DetectorOptions | None = None) -> None:
        self.saved = saved
        self.words = Words.load(saved.tokenizer)
        self.seats = seating(saved.model.system, self.words.vocab, saved.task)
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
        opened = [_open(picture) for picture in pictures]
        found = self.detector.detect([np.asarray(picture) for picture in opened])
        return [(picture.size, detections) for picture, detections in zip(opened, found)]

    @torch.no_grad()
    def match(self, images: Picture | Sequence[Picture], texts: str | Sequence[str]) -> list[float]:
        """The probability that each text belongs to its image; one image or one text goes with all of the others.

        Raises:
            MissingPiece: the model has no matching head.
            ConfigError: neither side is single and their numbers differ.
        """
        model = self._pretrained("match", "itm")
        pictures, sentences = _lists(images, texts)
        objective = model.objectives["itm"]
        assert isinstance(objective, ITM)
        batch = self._batch(pictures, self.words.encode(sentences))
        logits = model.heads["itm"](model.view(batch).pooled()).float()
        return [float(p) for p in logits.softmax(-1)[:, objective.matched]]

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
        batch = self._batch([image], self.words.encode([text]))
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
        model = self.saved.model
        if not isinstance(model, TaskModel) or model.task.head != "answer":
            raise MissingPiece(
                f"{self.saved.path} does not answer questions; `iconotext finetune vqa --from {self.saved.path}` makes a "
                "model that does."
            )
        scores = model(self._batch([image], self.words.encode([question]))).float().sigmoid()[0]
        values, ids = scores.topk(min(top, scores.numel()))
        return [(model.task.answers[i], v) for i, v in zip(ids.tolist(), values.tolist())]

    def _pretrained(self, call: str, head: str) -> PretrainModel:
        model = self.saved.model
        if not isinstance(model, PretrainModel):
            raise MissingPiece(
                f"{self.saved.path} is fine-tuned for {model.task.name} and cannot {call}; load the folder that "
                "`iconotext pretrain` wrote."
            )
        if head not in model.heads:
            raise MissingPiece(
                f"{self.saved.path} was pre-trained without {head}, which {call} needs; pre-train a system that has it "
                "(`iconotext systems`)."
            )
        return model

    def _batch(self, pictures: Sequence[Picture], tokens: TokenTable) -> Batch:
        """One row a text; a single picture is looked at once and goes with all texts."""
        found = self.regions(pictures)
        if len(found) == 1:
            found = found * len(tokens)
        if len(tokens) == 1:
            tokens = tokens.rows(np.zeros(len(found), np.int64))
        rows = np.arange(len(found))
        return self.seats.batch(tokens, pack(found), np.ones(len(found), np.bool_), rows).to(self.device)


def pack(found: Sequence[tuple[tuple[int, int], Detections]]) -> PackedRegions:
    """The regions of pictures as a store would give them."""
    counts = [len(detections) for _, detections in found]
    arrays = {
        name: np.concatenate([getattr(detections, name) for _, detections in found])
        for name in ("boxes", "scores", "features", "class_probs", "attributes", "attribute_scores")
    }
    # A store keeps features and probabilities as float16, and so the model saw them in training.
    arrays |= {name: arrays[name].astype(np.float16) for name in ("features", "class_probs")}
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return PackedRegions(sizes=np.array([size for size, _ in found], np.int32), offsets=offsets, **arrays)


def _open(picture: Picture) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    try:
        return decode(Path(picture).read_bytes())
    except OSError as error:
        raise DataError(f"{picture} cannot be read: {error.strerror}.") from error
    except DataError as error:
        raise DataError(f"{picture}: {error}") from error


def _lists(images: Picture | Sequence[Picture], texts: str | Sequence[str]) -> tuple[list[Picture], list[str]]:
    pictures: list[Picture] = [images] if isinstance(images, str | Path | Image.Image) else list(images)
    sentences = [texts] if isinstance(texts, str) else list(texts)
    if len(pictures) != len(sentences) and 1 not in (len(pictures), len(sentences)):
        raise ConfigError(
            f"match: {len(pictures)} images and {len(sentences)} texts; give as many of each, or one of one side."
        )
    return pictures, sentences
