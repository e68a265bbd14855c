"""``iconotext clean``: find the texts of a data set that do not belong to their pictures, and leave them out.

The pictures are dealt into folds by their ids. For each fold a model learns from the pairs of the other folds and then scores
this one's, so that no pair is judged by a model that has seen its picture. The same texts with other pictures of the fold are
scored as well: they are what a mismatch looks like.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rich.console import Console
from tyro.conf import Positional

from iconotext.core.artefacts import digest
from iconotext.core.config import to_data
from iconotext.core.errors import ConfigError, MissingPiece
from iconotext.core.files import write_json
from iconotext.core.seed import Draw, derive
from iconotext.data.pair import PairTable
from iconotext.data.records import DataSet, write_table
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.models.checkpoint import Saved, load, save
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.objectives.alone import TextAlone
from iconotext.objectives.mix import Mix, Phases, Together, objectives
from iconotext.objectives.mlm import MLM
from iconotext.recipes.bars import bar
from iconotext.recipes.cleaned import Cut, Scored, write
from iconotext.recipes.material import loading
from iconotext.recipes.pretrain import PretrainOptions, config_of, losses_of, stream_of, weights
from iconotext.recipes.scoring import Scorer
from iconotext.tasks.retrieval import scoring
from iconotext.train.dist import world
from iconotext.train.loop import train

SHORTER = 10
"""A fold that begins with a trained model takes one step where new weights take this many."""
WORDS = 0.35
"""The share of the steps in which new weights learn hidden words alone."""
MATCHING = ("itm", "cmcl", "contrastive")
"""The objectives by which a model scores pairs."""
BLOCK = 4096
"""Pairs between two movements of the bar."""


@dataclass(frozen=True)
class CleanOptions:
    """Find the texts of a data set that do not belong to their pictures, and make a data set without them.

    The pictures are dealt into folds. For each fold a model learns from the other folds and scores the pairs of this one, so
    no pair is judged by a model that has seen its picture. Written to OUT: data (the new data set), scores.parquet,
    report.html, report.json. Run the same command again to go on after a stop, or with another --remove, --threshold or
    --weigh to cut elsewhere, which takes seconds.
    """

    data: Positional[Path]
    """The data set."""
    model: Path
    """A pre-trained model: its system and words, and its weights too where it was not trained on this data."""
    store: Path
    """The regions of the data set."""
    out: Path
    """Folder for the cleaned data set, the scores and the report."""
    remove: float | None = None
    """Remove this share of the pairs, those of the lowest scores; left out, as many as seem to be mismatched."""
    threshold: float | None = None
    """Remove the pairs with a score below this instead; a score is the log odds that a pair belongs together."""
    weigh: bool = False
    """Keep doubtful pairs, but let pre-training see each the more rarely the more doubtful it is."""
    folds: int = 2
    """Parts of the pictures; more of them give each model more to learn from, and take longer."""
    scratch: bool = False
    """Begin with new weights, also where the model does not say that it was trained on this data."""
    steps: int | None = None
    """Updates of the parameters for each fold; None takes the system's own with new weights, a tenth of them otherwise."""
    batch: int | None = None
    """Pairs of one update; None takes the system's, as do the next ones."""
    learning_rate: float | None = None
    """Peak of the learning rate, exactly."""
    warmup: int | None = None
    """Updates until the peak."""
    split: str = "train"
    """The split to clean; the others stay as they are."""
    language: str = ""
    """Only texts in this language, such as en or zh; the others stay, unscored. Empty takes all."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto takes bf16 where the hardware gains from it."""
    workers: int = 1
    """Processes that make batches while a model trains."""
    allow_feature_mismatch: bool = False
    """Take regions that were made otherwise than those of the model."""
    seed: int = 0
    """The same seed gives the same scores."""
    save_every: int = 1000
    """Updates between saved states."""
    examples: int = 50
    """Pairs of the lowest scores that the report shows."""


@dataclass(frozen=True)
class Judging:
    """What the folds have in common. ``fresh``: their models begin with new weights."""

    options: CleanOptions
    data: DataSet
    store: RegionStore
    saved: Saved
    fresh: bool

    @property
    def page(self) -> System:
        """The model's system with what its folds learn."""
        page = self.saved.model.system
        return replace(page, mix=lesson(page.mix, self.fresh))

    @property
    def steps(self) -> int:
        """Updates of each fold's model."""
        own = self.page.recipe.steps
        return self.options.steps or (own if self.fresh else -(-own // SHORTER))

    def pairs(self, words: Words, images: Sequence[str]) -> PairTable:
        """The texts of some images.

        Without the false twins that a data set may have of its texts: who writes them leaves out wrong captions, so that a
        model would learn which are right.
        """
        only = frozenset(images)
        return PairTable(
            self.data, self.options.split, words, self.store, self.options.language, only=only, twins=False
        )

    def about(self) -> dict[str, Any]:
        """What the scores depend on."""
        options = self.options
        names = ("split", "language", "folds", "batch", "learning_rate", "warmup", "precision", "seed")
        return {
            "data": self.data.fingerprint,
            "features": asdict(self.store.fingerprint),
            "model": digest([self.saved.path / "model.safetensors"]),
            "fresh": self.fresh,
            "steps": self.steps,
            **{name: getattr(options, name) for name in names},
        }


def run(options: CleanOptions) -> Path:
    """Scores, cuts, writes, and returns the path of the report.

    Raises:
        ConfigError: an option is out of range, or OUT was begun with others that change the scores.
        MissingPiece: there is no model, or it cannot score pairs.
        FingerprintError: the regions were made in another way than those that it was trained with.
    """
    cut = Cut(options.remove, options.threshold, options.weigh)
    if options.examples < 1:
        raise ConfigError(f"--examples {options.examples}: show at least 1.")
    data, store = DataSet.open(options.data), RegionStore.open(options.store)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    judging = begun(options, data, store, console)
    parts = dealt(data, options, store)
    about = judging.about()
    same_as_before(options.out / "clean.json", about)
    tables = []
    for fold, part in enumerate(parts):
        place = options.out / f"fold-{fold}"
        if not (place / "scores.parquet").is_file():
            console.rule(f"[bold]fold {fold + 1} of {len(parts)}[/bold]", align="left")
            if not (place / "model.safetensors").is_file():
                learn(judging, [image for other in parts if other is not part for image in other], place)
            write_table(place / "scores.parquet", score(judging, part, place, fold))
        tables.append(pq.read_table(place / "scores.parquet"))
    return write(Scored(data, options.split, pa.concat_tables(tables)), cut, options.out, about, options.examples)


def begun(options: CleanOptions, data: DataSet, store: RegionStore, console: Console) -> Judging:
    """The model to begin with, and whether with its weights; the user is told which.

    Raises:
        MissingPiece: it cannot score pairs.
        FingerprintError: it reads other regions.
    """
    saved = load(options.model)
    if not isinstance(saved.model, PretrainModel) or scoring(saved.model) is None:
        raise MissingPiece(
            f"{options.model} cannot score pairs: name a folder that `iconotext pretrain` wrote, of a system with image-text "
            "matching (itm) or contrast."
        )
    saved.features.fingerprint.require(store.fingerprint, str(options.store), options.allow_feature_mismatch)
    trained_on = saved.run.get("data")
    seen = trained_on == data.fingerprint
    judging = Judging(options, data, store, saved, fresh=seen or options.scratch)
    if judging.fresh:
        why = f"{options.model} was trained on this data" if seen else "As asked"
        how = "begins with new weights of its system and its words"
    else:
        why = f"{options.model} " + (
            "was trained on other data" if trained_on else "does not say what it was trained on"
        )
        how = "begins with its weights (--scratch if it has seen these pairs, perhaps in another version of the data)"
    console.print(f"{why}: each of the {options.folds} folds {how}, and takes {judging.steps:,} steps.")
    return judging


def lesson(mix: Mix, fresh: bool) -> Mix:
    """What a fold's model learns of its system's objectives: hidden words, and with them which texts match.

    Others would take steps from these and do not tell which pairs belong together. New weights learn the words alone at first:
    who does not see what a picture shows cannot tell what matches it.
    """
    own = [o.words if isinstance(o, TextAlone) else o for o in objectives(mix)]
    words = tuple(replace(o, only_matched=True) for o in own if isinstance(o, MLM))
    both = Together((*words, *(o for o in own if o.name in MATCHING)))
    return Phases(((WORDS, Together(words)), (1 - WORDS, both))) if fresh and words else both


def dealt(data: DataSet, options: CleanOptions, store: RegionStore) -> list[list[str]]:
    """The pictures of each fold, by a hash of their ids: the same for everyone, whatever else is in the data.

    Raises:
        ConfigError: a fold has too few pictures with regions to learn or to compare.
    """
    if options.folds < 2:
        raise ConfigError(
            f"--folds {options.folds}: it takes 2 or more, since a model must not judge what it has seen."
        )
    table = data.table("texts", options.split, ["image_id", "language"])
    images, languages = (table[name].to_pylist() for name in ("image_id", "language"))
    parts: list[list[str]] = [[] for _ in range(options.folds)]
    for image in dict.fromkeys(
        i for i, said in zip(images, languages) if options.language in ("", said) and i in store
    ):
        parts[derive("clean fold", image) % options.folds].append(image)
    least = min(map(len, parts))
    if least < 2:
        raise ConfigError(
            f"--folds {options.folds}: a fold has {least} pictures with texts and regions, and needs 2 or more. "
            f"Take fewer folds, or look whether {options.store} holds the regions of {options.data}."
        )
    return parts


def same_as_before(file: Path, about: dict[str, Any]) -> None:
    """Notes what the scores depend on, or compares it with what was noted.

    Raises:
        ConfigError: the scores there were made otherwise.
    """
    if file.is_file():
        before = json.loads(file.read_text("utf-8"))
        differing = [
            f"  {name}: there {before.get(name)}, asked {about[name]}"
            for name in about
            if before.get(name) != about[name]
        ]
        if differing:
            raise ConfigError(
                "\n".join(
                    [
                        f"{file.parent} holds scores that were made otherwise:",
                        *differing,
                        "Delete it or name another folder.",
                    ]
                )
            )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, about)


def learn(judging: Judging, images: Sequence[str], place: Path) -> None:
    """Trains the model of a fold on the pairs of other folds' images."""
    options, saved, page = judging.options, judging.saved, judging.page
    words = Words.load(saved.tokenizer)
    asked = PretrainOptions(
        options.data,
        options.store,
        place,
        steps=judging.steps,
        batch=options.batch,
        learning_rate=options.learning_rate,
        warmup=options.warmup,
        precision=options.precision,
        seed=options.seed,
        save_every=options.save_every,
    )
    torch.manual_seed(options.seed)
    model = PretrainModel(saved.model.system, **saved.model.shape) if judging.fresh else load(saved.path).model
    config = config_of(asked, page)
    stream = stream_of(asked, config, page, judging.pairs(words, images), words)
    train(config, place, model, loading(stream, config, options.workers), losses_of, weights(page))
    about = {
        "command": "clean",
        "options": to_data(options),
        "train": to_data(config),
        "data": judging.data.fingerprint,
    }
    features = replace(saved.features, fingerprint=judging.store.fingerprint)
    save(place, model, words.tokenizer.to_str(), features, {**about, "images": len(images)})


def score(judging: Judging, images: Sequence[str], place: Path, fold: int) -> pa.Table:
    """The pairs of a fold's images as its model scores them; ``mismatched`` is the score of the same text with another picture.

    Texts that no other picture can be put to have none of the latter.
    """
    scorer = Scorer.open(place, judging.store, world().device, judging.options.precision)
    pairs = judging.pairs(scorer.words, images)
    rows = np.arange(len(pairs))
    drawn = pairs.draw(rows, Draw(judging.options.seed, 0, rows), 1.0, "image", 0.0)
    found = np.empty((2, len(pairs)), np.float32)
    with bar("pairs") as progress:
        task = progress.add_task("score, as they are and with other pictures", total=found.size)
        for side, image_of in enumerate((pairs.image_of, drawn.image)):
            for block in np.split(rows, range(BLOCK, len(rows), BLOCK)):
                names = [pairs.images[i] for i in image_of[block]]
                found[side, block] = scorer.match(pairs.texts.rows(block), names).numpy()
                progress.advance(task, len(block))
    return pa.table(
        {
            "text_id": pairs.ids,
            "image_id": [pairs.images[i] for i in pairs.image_of],
            "fold": pa.array([fold] * len(pairs), pa.int32()),
            "score": found[0],
            "mismatched": pa.array(found[1], mask=drawn.matched),
        }
    )
