"""``iconotext pretrain``: from texts and regions to a pre-trained model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from torch import nn

from iconotext.convert.read import Source, read
from iconotext.convert.text import TextWeights, sized, start, text_weights
from iconotext.core.batch import Loss
from iconotext.core.config import to_data
from iconotext.core.errors import DataError
from iconotext.data.pair import PairTable
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import Segmenter, Words
from iconotext.models.checkpoint import Features, save
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.objectives.alone import TextAlone
from iconotext.objectives.base import Corrupted, Objective
from iconotext.objectives.mix import objectives, replaced
from iconotext.objectives.mlm import MLM
from iconotext.recipes.asking import with_questions, without_labels
from iconotext.recipes.material import PretrainStream, loading, sampler_of, seating
from iconotext.recipes.named import imported, page_of
from iconotext.recipes.retake import Retake
from iconotext.recipes.tensors import show
from iconotext.train.config import TrainConfig
from iconotext.train.dist import processes, world
from iconotext.train.loop import TrainResult, train


@dataclass(frozen=True)
class PretrainOptions:
    """Pre-train a system on a data set and its regions."""

    data: Path
    """The data set, made by `iconotext world` or `iconotext ingest`."""
    store: Path
    """Its regions, made by `iconotext extract`."""
    out: Path
    """Folder of the run: log, states, and at the end the model. Run the same command again to go on after a stop."""
    system: str = "uniter"
    """What to train; `iconotext systems` lists what there is. A page of your own is MODULE:NAME."""
    size: str = "base"
    """base as published, or another size of the system's page: tiny trains on a laptop, large as published."""
    steps: int | None = None
    """Updates of the parameters; None takes the paper's, as do the next ones."""
    batch: int | None = None
    """Pairs of one update, over all processes and micro-batches."""
    accumulate: int = 1
    """Micro-batches of one update; more of them need less memory."""
    learning_rate: float | None = None
    """Peak of the learning rate, exactly."""
    warmup: int | None = None
    """Updates until the peak."""
    schedule: Literal["linear", "cosine", "constant"] | None = None
    """What follows the warm-up."""
    split: str = "train"
    """The split to train on."""
    language: str = ""
    """Only texts in this language, such as en or zh; empty takes all."""
    tokenizer: Path | None = None
    """A tokenizer.json or BERT vocab.txt; None takes that of --text-init, or trains one on the texts."""
    text_init: Path | None = None
    """A language model that the words begin with: a folder in Hugging Face's form (BERT, RoBERTa, XLM-R, MiniLM)."""
    segmenter: str = ""
    """What cuts texts into the words that are masked as a whole, as MODULE:FUNCTION, such as jieba:lcut. Empty leaves it to
    the page, and a word is what the tokenizer says: between spaces, or one Chinese character."""
    retake: bool = False
    """Take the pixels of hidden regions out of their pictures and make the features again: what overlaps a hidden region
    cannot give it away (VL-BERT's end-to-end masking). Needs the pictures and the detector; slow."""
    weights: Path | None = None
    """Weights of the detector that made the store, for --retake; None takes those in the package."""
    vocabulary: int = 8000
    """Size of a vocabulary that is trained here."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto takes bf16 where the hardware gains from it."""
    recompute: bool = False
    """Activation checkpointing: less memory, about a third more time."""
    compile: bool = False
    """Compile the model with torch.compile: minutes at the start, faster steps after."""
    workers: int = 1
    """Processes that make batches while the model trains."""
    seed: int = 0
    """The same seed gives the same run."""
    save_every: int = 1000
    """Updates between saved states."""
    log_every: int = 10
    """Updates between lines of the log."""
    tensorboard: bool = False
    """Write a tensorboard log as well (extra `track`)."""


def run(options: PretrainOptions) -> TrainResult:
    """Pre-trains and writes the model to ``options.out``."""
    with processes() as here:
        data, store = DataSet.open(options.data), RegionStore.open(options.store)
        page = without_labels(page_of(options.system, options.size), store)
        page, asked = with_questions(page, data, options.split, store, options.language)
        source = read(options.text_init) if options.text_init is not None else None
        language = text_weights(source) if source is not None else None
        page = page if language is None else sized(page, language)
        words = _words(options, data, source)
        page = page if words.segment is None else whole_words(page)
        pairs = PairTable(data, options.split, words, store, options.language, asked)
        torch.manual_seed(options.seed)
        model = PretrainModel(
            page,
            vocabulary=words.vocab.size,
            feature_dim=store.feature_dim,
            classes=store.class_count,
            attributes=len(store.attribute_names),
            recompute=options.recompute,
        )
        if language is not None:
            begin(model, language, str(options.text_init))
        config = config_of(options, page)
        stream = stream_of(options, config, page, pairs, words)
        if options.retake:
            stream = dataclasses.replace(stream, retake=Retake.of(data, store, options.weights))
        batches = loading(stream, config, options.workers)
        result = train(config, options.out, model, batches, losses_of, weights(page))
        if here.main:
            about = {"command": "pretrain", "options": to_data(options), "train": to_data(config)}
            about |= {"data": data.fingerprint, "texts": len(pairs), "left_out": pairs.left_out}
            features = Features(store.fingerprint, tuple(store.class_names), tuple(store.attribute_names))
            save(options.out, model, words.tokenizer.to_str(), features, about)
        return result


def config_of(options: PretrainOptions, page: System) -> TrainConfig:
    """The page's recipe with what the user said instead."""
    recipe = page.recipe
    steps = options.steps or recipe.steps
    return TrainConfig(
        steps=steps,
        learning_rate=recipe.learning_rate if options.learning_rate is None else options.learning_rate,
        warmup=min(recipe.warmup if options.warmup is None else options.warmup, steps),
        schedule=options.schedule or recipe.schedule,
        weight_decay=recipe.weight_decay,
        betas=recipe.betas,
        clip=recipe.clip,
        accumulate=options.accumulate,
        precision=options.precision,
        compile=options.compile,
        seed=options.seed,
        log_every=options.log_every,
        save_every=options.save_every,
        tensorboard=options.tensorboard,
    )


def stream_of(
    options: PretrainOptions, config: TrainConfig, page: System, pairs: PairTable, words: Words
) -> PretrainStream:
    """The micro-batches of this process."""
    lengths = pairs.lengths(page.layout.max_words, page.layout.max_regions)
    sampler = sampler_of(lengths, options.batch or page.recipe.batch, config, pairs.weights)
    seats = seating(page, words.vocab)
    return PretrainStream(pairs, seats, page.mix, sampler, options.seed, config.steps, config.accumulate)


def losses_of(model: nn.Module, micro: Corrupted) -> Mapping[str, Loss]:
    """The losses of a micro-batch."""
    found: Mapping[str, Loss] = model(micro)
    return found


def weights(page: System) -> dict[str, float]:
    """The weight of every objective of the page."""
    return {objective.name: objective.weight for objective in objectives(page.mix)}


def whole_words(page: System) -> System:
    """The page with whole words masked by every objective that can."""

    def change(objective: Objective) -> Objective:
        if isinstance(objective, TextAlone):
            return TextAlone(dataclasses.replace(objective.words, whole_word=True))
        return dataclasses.replace(objective, whole_word=True) if isinstance(objective, MLM) else objective

    said = "Whole words are masked, as a segmenter cuts them."
    return dataclasses.replace(page, mix=replaced(page.mix, change), departures=(*page.departures, said))


def begin(model: PretrainModel, language: TextWeights, name: str) -> None:
    """Starts the words' side with a language model and prints what was taken of it and what was not.

    Raises:
        DataError: it knows fewer words than the tokenizer.
    """
    if language.vocabulary < model.shape["vocabulary"]:
        raise DataError(
            f"{name} has {language.vocabulary:,} words, the tokenizer {model.shape['vocabulary']:,}: leave --tokenizer out."
        )
    found = start(model, language)
    console = Console(stderr=True, quiet=not world().main, highlight=False, soft_wrap=True)
    console.print(f"Words begin with {name}; what it does not have begins as the page says.\n")
    show(console, "taken", [(key, language.state[key], place) for key, place in found.taken.items()])
    show(console, "not taken", [(key, language.state[key], why) for key, why in found.left.items()])


def _words(options: PretrainOptions, data: DataSet, source: Source | None) -> Words:
    segment: Segmenter | None = imported(options.segmenter, "jieba:lcut") if options.segmenter else None
    given = options.tokenizer or (source.tokenizer if source is not None else None)
    if given is not None:
        return Words.load(given, segment)
    if source is not None:
        raise DataError(f"{source.path} has no tokenizer.json or vocab.txt beside it; name one with --tokenizer.")
    table = data.table("texts", options.split, ["text", "language"])
    texts, languages = table["text"].to_pylist(), table["language"].to_pylist()
    extra = [text for name in ("vqa",) if name in data.tables for text in _questions(data, name, options.split)]
    chosen = [text for text, language in zip(texts, languages) if options.language in ("", language)]
    return Words(Words.train([*chosen, *extra], options.vocabulary).tokenizer, segment)


def _questions(data: DataSet, table: str, split: str) -> list[str]:
    found: list[str] = data.table(table, split, ["question"])["question"].to_pylist()
    return found
