"""``iconotext evaluate``: how well a model does its task on a split that it has not seen.

Writes RUN/evaluation.json (figures with 95 % intervals, also by kind) and RUN/predictions.parquet (what it said of each
example). Ties between scores count at their expected rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from tyro.conf import Positional

from iconotext.core.config import to_data, write_json
from iconotext.core.errors import ConfigError, MissingPiece
from iconotext.core.seed import permutation
from iconotext.data.pair import PairTable
from iconotext.data.records import DataSet, write_table
from iconotext.data.store import RegionStore
from iconotext.models.task import TaskModel
from iconotext.recipes.bars import bar
from iconotext.recipes.scoring import Scorer
from iconotext.tasks.base import predict
from iconotext.tasks.exhaustive import Exhaustive
from iconotext.tasks.metrics.intervals import Figure, figure
from iconotext.tasks.metrics.retrieval import DEPTHS, image_to_text, median_rank, recall, text_to_image
from iconotext.tasks.retrieval import matching
from iconotext.tasks.vqa import VQA, Asked, Questions
from iconotext.train.dist import world

SEEN, REMOVED = "VQA accuracy", "VQA accuracy, regions removed"
SHOWN = 10
"""The best candidates that are kept of each query."""


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure a fine-tuned model on its task, or a pre-trained one on retrieval without fine-tuning.

    Questions are answered with the picture and with its regions removed. For retrieval every text is scored with every picture.
    """

    run: Positional[Path]
    """The model, made by `iconotext finetune` or `iconotext pretrain`."""
    data: Path
    """The data set."""
    store: Path
    """Its regions, made as those that the model was trained with."""
    split: str = "test"
    """The split to measure on."""
    language: str = ""
    """Only texts in this language, such as en or zh; empty takes all."""
    pictures: int = 0
    """Search among this many pictures of the split, drawn by lot, with their texts; 0 takes all of them."""
    batch: int = 256
    """Pairs of one forward pass."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto takes bf16 where the hardware gains from it."""
    seed: int = 0
    """Decides the lot and the resampling of the intervals."""


@dataclass(frozen=True)
class Result:
    """What was measured: the figures, the same by kind of example, one row an example, and what else is worth a note."""

    figures: Sequence[Figure]
    by_kind: Sequence[Mapping[str, Any]]
    predictions: pa.Table
    about: Mapping[str, Any]


def run(options: EvaluateOptions) -> Path:
    """Measures, prints the figures, and returns the path of evaluation.json.

    Raises:
        MissingPiece: there is no model, or it has no head for a task.
        FingerprintError: the regions were made in another way than those that it was trained with.
    """
    data, store = DataSet.open(options.data), RegionStore.open(options.store)
    scorer = Scorer.open(options.run, store, world().device, options.precision)
    model = scorer.saved.model
    answering = isinstance(model, TaskModel) and model.task.head == "answer"
    result = answered(options, data, scorer) if answering else searched(options, data, scorer)
    about = {
        "task": model.task.name if isinstance(model, TaskModel) else "retrieval",
        "zero_shot": not isinstance(model, TaskModel),
        "split": options.split,
        "options": to_data(options),
        "data": data.fingerprint,
        **result.about,
    }
    figures = [asdict(found) for found in result.figures]
    write_table(options.run / "predictions.parquet", result.predictions)
    write_json(options.run / "evaluation.json", {**about, "figures": figures, "by_kind": list(result.by_kind)})
    show(options, result)
    return options.run / "evaluation.json"


def answered(options: EvaluateOptions, data: DataSet, scorer: Scorer) -> Result:
    """Questions, with the picture and with its regions removed; a model trained without regions sees none."""
    model = scorer.saved.model
    assert isinstance(model, TaskModel)
    asked = Asked.read(data, options.split, scorer.store, options.language)
    blind = bool(scorer.saved.run.get("blind"))
    removed = Questions(asked, scorer.words, scorer.store, model.task.answers, blind=True)
    looks = {REMOVED: removed}
    if not blind:
        looks = {SEEN: Questions(asked, scorer.words, scorer.store, model.task.answers), **looks}
    said: dict[str, Answers] = {}
    with bar("questions") as progress:
        for name, examples in looks.items():
            task = progress.add_task(name, total=len(examples))
            said[name], every = Answers.of(len(examples)), np.arange(len(examples))
            for rows, scores in predict(model, examples, every, scorer.seats, scorer.precision, options.batch):
                said[name].put(examples, rows, scores)
                progress.advance(task, len(rows))
    kinds, images = np.array(asked.kinds), np.array(asked.images)
    figures, by_kind = [], []
    for name, answers in said.items():
        known = ~np.isnan(answers.right)
        figures.append(measured(name, answers.right, images, known, options.seed))
        for kind in named(kinds.tolist()):
            found = measured(name, answers.right, images, known & (kinds == kind), options.seed)
            by_kind.append(of_kind(found, kind, kind + name.removeprefix(SEEN)))
    columns = {
        "question_id": asked.ids,
        "image_id": asked.images,
        "question": asked.questions,
        "answers": pa.array(asked.answers, pa.list_(pa.string())),
        "kind": asked.kinds,
        "language": asked.languages,
        **said.get(SEEN, said[REMOVED]).columns(model.task.answers, ""),
        **said[REMOVED].columns(model.task.answers, "blind_"),
    }
    return Result(figures, by_kind, pa.table(columns), {"blind": blind, "coverage": asdict(removed.coverage())})


@dataclass(frozen=True)
class Answers:
    """For each question the index of the answer given, its score in 0-1, and how right it is."""

    chosen: NDArray[np.int64]
    score: NDArray[np.float32]
    right: NDArray[np.float64]

    @classmethod
    def of(cls, questions: int) -> Answers:
        """Room for the answers to so many questions."""
        return cls(np.zeros(questions, np.int64), np.zeros(questions, np.float32), np.zeros(questions))

    def put(self, examples: Questions, rows: NDArray[np.int64], scores: Float[Tensor, "B A"]) -> None:
        """Keep what a chunk of questions was answered."""
        chosen = VQA(examples.answers).decode(scores).numpy()
        self.chosen[rows], self.score[rows] = chosen, scores.sigmoid().amax(1).numpy()
        self.right[rows] = examples.metric(rows, chosen)

    def columns(self, answers: Sequence[str], prefix: str) -> dict[str, Any]:
        """As columns of a table."""
        named = {"predicted": [answers[i] for i in self.chosen], "score": self.score, "accuracy": self.right}
        return {prefix + name: column for name, column in named.items()}


def searched(options: EvaluateOptions, data: DataSet, scorer: Scorer) -> Result:
    """Every text with every picture, both ways."""
    pairs = PairTable(data, options.split, scorer.words, scorer.store, options.language)
    if options.pictures < 0 or options.pictures > len(pairs.images):
        raise ConfigError(f"--pictures {options.pictures}: split {options.split!r} has {len(pairs.images)} with texts.")
    lot = permutation(len(pairs.images), options.seed, "pictures")[: options.pictures or None]
    images = np.sort(lot)
    rows = np.flatnonzero(np.isin(pairs.image_of, images))
    owner = np.searchsorted(images, pairs.image_of[rows])
    names = [pairs.images[i] for i in images]
    head = scoring_head(scorer)

    def score(pooled: Tensor) -> Tensor:
        return head(pooled)[:, 0]  # type: ignore[no-any-return]

    exhaustive = Exhaustive(
        scorer.saved.model.trunk, score, scorer.seats, scorer.store, scorer.precision, options.batch
    )
    with bar("pairs") as progress:
        task = progress.add_task(f"{len(rows):,} texts x {len(images):,} pictures", total=len(rows) * len(images))
        scores = exhaustive.matrix(pairs.texts.rows(rows), names, lambda done: progress.advance(task, done))
    forward, backward = text_to_image(scores, owner), image_to_text(scores, owner)
    kinds = np.array([pairs.kinds[i] for i in rows])
    every, figures, by_kind = np.ones(len(rows), np.bool_), [], []
    for k in DEPTHS:
        hits, name = recall(forward, k), f"text to image R@{k}"
        figures.append(measured(name, hits, owner, every, options.seed))
        for kind in named(kinds.tolist()):
            found = measured(name, hits, owner, kinds == kind, options.seed)
            by_kind.append(of_kind(found, kind, f"{kind}: {name}"))
    figures += [figure(f"image to text R@{k}", recall(backward, k)) for k in DEPTHS]
    texts = [pairs.ids[i] for i in rows]
    own = np.where(owner[:, None] == np.arange(len(images)), scores, -np.inf)
    queries = {"query_id": texts, "query": [pairs.strings[i] for i in rows], "kind": kinds}
    asking = {"query_id": names, "query": [""] * len(names), "kind": [""] * len(names)}
    predictions = [
        ranking("text_to_image", queries, forward, own.max(1), scores, names),
        ranking("image_to_text", asking, backward, own.max(0), scores.T, texts),
    ]
    medians = {"text to image": median_rank(forward), "image to text": median_rank(backward)}
    about = {
        "blind": False,
        "texts": len(rows),
        "pictures": len(images),
        "median_rank": medians,
        "ties": "expected rank",
    }
    return Result(figures, by_kind, pa.concat_tables(predictions), about)


def scoring_head(scorer: Scorer) -> nn.Linear:
    """The map from pooled pairs to their score: that of the task, or the matching head of pre-training.

    Raises:
        MissingPiece: the model has neither.
    """
    model = scorer.saved.model
    head = model.head if isinstance(model, TaskModel) else matching(model)
    if not isinstance(head, nn.Linear):
        raise MissingPiece(
            f"{scorer.saved.path} was trained without image-text matching (itm) and cannot rank; "
            f"`iconotext finetune retrieval --from {scorer.saved.path}` makes a model that does."
        )
    return head


def ranking(
    direction: str,
    queries: Mapping[str, Any],
    ranks: NDArray[np.float64],
    own: NDArray[np.floating],
    scores: Float[np.ndarray, "Q C"],
    candidates: Sequence[str],
) -> pa.Table:
    """For each query the rank and the score of the right answer, and the candidates that score best."""
    best, places = torch.from_numpy(scores).topk(min(SHOWN, len(candidates)), dim=1)
    columns = {
        "direction": [direction] * len(ranks),
        **queries,
        "rank": ranks,
        "score": own.astype(np.float32),
        "found": [[candidates[i] for i in row] for row in places.tolist()],
        "found_scores": pa.array(best.tolist(), pa.list_(pa.float32())),
    }
    return pa.table(columns)


def measured(
    name: str, values: NDArray[np.float64], units: NDArray[Any], where: NDArray[np.bool_], seed: int
) -> Figure:
    """The figure of some of the cases, with the picture as the unit."""
    return figure(name, values[where], units[where], seed)


def of_kind(found: Figure, kind: str, name: str) -> dict[str, Any]:
    """A figure of one kind of example; ``name`` is unique, ``figure`` is the name over all kinds."""
    return {**asdict(found), "name": name, "kind": kind, "figure": found.name}


def named(kinds: Sequence[str]) -> list[str]:
    """The kinds there are, in order of their names; examples without one have no kind of their own."""
    return sorted(set(kinds) - {""})


def show(options: EvaluateOptions, result: Result) -> None:
    """Print the figures."""
    table = Table("", "", "95 %", "cases", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for found in result.figures:
        table.add_row(found.name, f"{found.value:.1%}", f"{found.low:.1%} - {found.high:.1%}", f"{found.n:,}")
    for entry in result.by_kind:
        cells = (f"{entry['value']:.1%}", f"{entry['low']:.1%} - {entry['high']:.1%}", f"{entry['n']:,}")
        table.add_row(f"  {entry['name']}", *cells, style="dim")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"Written to {options.run / 'evaluation.json'} and predictions.parquet", soft_wrap=True)
