"""What fine-tuning begins with: a run that was made before, or a system of the table with new weights and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from iconotext.core.errors import ConfigError
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.models.checkpoint import Features, Saved, load
from iconotext.models.pretrain import PretrainModel
from iconotext.recipes.asking import without_labels
from iconotext.recipes.named import page_of

WRITTEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "texts": ("text",),
        "vqa": ("question",),
        "gqa": ("question",),
        "statements": ("text",),
        "choices": ("question", "answers", "reasons"),
        "expressions": ("text",),
        "phrases": ("text",),
        "entailment": ("text",),
        "queries": ("query", "titles"),
    }
)
"""The columns of each table that a model reads."""


@dataclass(frozen=True)
class Beginning:
    """A run, or a system in a size whose words are a tokenizer's or are learned from the data, ``vocabulary`` at most."""

    run: Path | None
    system: str
    size: str
    tokenizer: Path | None
    vocabulary: int

    def __post_init__(self) -> None:
        if (self.run is None) == (not self.system):
            raise ConfigError(
                "Name what to begin with: a run of `iconotext pretrain` with --from, or a system with --system, which then has "
                f"new weights; {'not both' if self.system else 'neither is there'}."
            )
        if self.run is not None and self.tokenizer is not None:
            raise ConfigError(f"--tokenizer {self.tokenizer} goes with --system: the words of {self.run} are its own.")

    def open(self, data: DataSet, store: RegionStore, split: str, language: str) -> tuple[Saved, Words]:
        """The model with its words; one of a system alone has no weights (they are on the meta device).

        Raises:
            MissingPiece: the run holds no model.
            ConfigError: there is no such system or size.
        """
        if self.run is not None:
            saved = load(self.run)
            return saved, Words.load(saved.tokenizer)
        page = without_labels(page_of(self.system, self.size), store)
        given = self.tokenizer
        words = Words.load(given) if given else Words.train(written(data, split, language), self.vocabulary)
        with torch.device("meta"):
            model = PretrainModel(
                page,
                vocabulary=words.vocab.size,
                feature_dim=store.feature_dim,
                classes=store.class_count,
                attributes=len(store.attribute_names),
            )
        features = Features(store.fingerprint, tuple(store.class_names), tuple(store.attribute_names))
        return Saved(Path(), model, features), words


def written(data: DataSet, split: str, language: str = "") -> Iterator[str]:
    """All that is written in the tables of a split, in one language or (with "") in all."""
    for table in (name for name in WRITTEN if name in data.tables):
        for row in data.table(table, split, [*WRITTEN[table], "language"]).to_pylist():
            if language in ("", row["language"]):
                for found in (row[column] for column in WRITTEN[table]):
                    yield from [found] if isinstance(found, str) else found or ()
