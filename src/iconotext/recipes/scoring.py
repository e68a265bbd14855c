"""A trained model over a region store: what evaluation, measures and search ask of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from iconotext.core.batch import Batch
from iconotext.core.errors import MissingPiece
from iconotext.data.collate import Seating, no_regions
from iconotext.data.store import RegionStore
from iconotext.data.words import TokenTable, Words
from iconotext.models.checkpoint import Saved, load
from iconotext.models.multitask import MultiTaskModel
from iconotext.models.pretrain import PretrainModel
from iconotext.recipes.material import seating
from iconotext.tasks.exhaustive import Score
from iconotext.tasks.retrieval import scoring
from iconotext.train.config import Precision
from iconotext.train.precision import autocast, choose

CHUNK = 256
"""Pairs of one forward pass."""


@dataclass(frozen=True)
class Scorer:
    """A checkpoint with its words and the regions that it reads."""

    saved: Saved
    words: Words
    seats: Seating
    store: RegionStore
    device: torch.device
    precision: Precision
    mismatch: dict[str, tuple[object, object]]

    @classmethod
    def open(
        cls,
        run: Path,
        store: RegionStore,
        device: torch.device,
        precision: Precision = "auto",
        allow_feature_mismatch: bool = False,
        task: str = "",
    ) -> Scorer:
        """The model in ``run``; refuses a store that was made otherwise than its features, unless that is allowed.

        ``mismatch`` keeps what differs. Of a model that does several tasks ``task`` is the one.

        Raises:
            MissingPiece: there is no model, or no such task, or it is not said which of several.
            FingerprintError: with what differs.
        """
        saved = load(run, device, task)
        if isinstance(saved.model, MultiTaskModel):
            raise MissingPiece(f"{run} does several tasks ({saved.task}): name one, or a model that does one or none.")
        mismatch = saved.features.fingerprint.require(store.fingerprint, str(store.path), allow_feature_mismatch)
        words = Words.load(saved.tokenizer)
        chosen = choose(precision, device)[0]
        return cls(saved, words, seating(saved.model.system, words.vocab, saved.task), store, device, chosen, mismatch)

    @property
    def pretrained(self) -> PretrainModel:
        """The model with its pre-training heads.

        Raises:
            MissingPiece: when it was fine-tuned, and has them no more.
        """
        if not isinstance(self.saved.model, PretrainModel):
            raise MissingPiece(
                f"{self.saved.path} is a model fine-tuned for {self.saved.task}; matching and filling need the "
                "pre-trained one: name the folder that `iconotext pretrain` wrote."
            )
        return self.saved.model

    def batch(self, tokens: TokenTable, images: Sequence[str], blind: bool = False) -> Batch:
        """Texts with the regions of images, row by row; ``blind`` takes the regions away."""
        regions = self.store.gather(images)
        if blind:
            regions = no_regions(len(images), regions)
        rows = np.arange(len(images))
        return self.seats.batch(tokens, regions, np.ones(len(images), np.bool_), rows).to(self.device)

    def batches(
        self, tokens: TokenTable, images: Sequence[str], blind: bool = False
    ) -> Iterator[tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Batch]]:
        """The rows in chunks of similar length, each with the numbers of its rows."""
        counts = np.zeros(len(images), np.int64) if blind else self.store.counts[self.store.rows(images)]
        order = np.argsort(tokens.lengths + counts, kind="stable")
        for begin in range(0, len(order), CHUNK):
            chosen = order[begin : begin + CHUNK]
            yield chosen, self.batch(tokens.rows(chosen), [images[i] for i in chosen], blind)

    @property
    def judges(self) -> bool:
        """Whether its scores are log odds, which say if a pair belongs together; others only rank pairs."""
        return "itm" in self.pretrained.heads and "cmcl" not in self.pretrained.heads

    def score(self) -> Score:
        """What scores encoded pairs: the head of the task, or what pre-training has left (``tasks.retrieval.scoring``).

        Raises:
            MissingPiece: the model has nothing of the kind.
        """
        assert not isinstance(self.saved.model, MultiTaskModel)
        found = scoring(self.saved.model)
        if found is None:
            raise MissingPiece(
                f"{self.saved.path} was trained without image-text matching (itm) and cannot rank; "
                f"`iconotext finetune retrieval --from {self.saved.path}` makes a model that does."
            )
        return found

    @torch.no_grad()
    def match(self, tokens: TokenTable, images: Sequence[str]) -> Float[Tensor, "B"]:
        """The score of each pair of a text and an image; the log odds that they belong together where the model ``judges``.

        Raises:
            MissingPiece: the model cannot score pairs.
        """
        model, score = self.pretrained, self.score()
        out = torch.empty(len(images))
        for rows, batch in self.batches(tokens, images):
            with autocast(self.precision, self.device):
                out[torch.from_numpy(rows)] = score(model.trunk(batch)).cpu()
        return out

    @torch.no_grad()
    def words_at_masks(
        self, tokens: TokenTable, images: Sequence[str], blind: bool = False
    ) -> list[Float[Tensor, "P V"]]:
        """For each text the log probabilities of the vocabulary at its [MASK] tokens, in their order.

        Raises:
            MissingPiece: the model was trained without masked language modelling.
        """
        model = self.pretrained
        if "mlm" not in model.heads:
            raise MissingPiece(f"{self.saved.path} was trained without masked language modelling (mlm).")
        found: dict[int, Tensor] = {}
        for rows, batch in self.batches(tokens, images, blind):
            with autocast(self.precision, self.device):
                encoded = model.trunk(batch)
                at = (batch.text.ids == self.words.vocab.mask).nonzero()[:, 0]
                guess = model.heads["mlm"](encoded.text.index_select(0, at)).float().log_softmax(-1).cpu()
            begin = torch.searchsorted(at.cpu(), batch.text.offsets.cpu())
            for i, row in enumerate(rows.tolist()):
                found[row] = guess[begin[i] : begin[i + 1]]
        return [found[row] for row in range(len(images))]
