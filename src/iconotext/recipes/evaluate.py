"""``iconotext evaluate``: how well a model does its task on a split that it has not seen.

Writes RUN/evaluation.json (figures with 95 % intervals, also by kind), RUN/predictions.parquet (what it said of each
example) and RUN/examples.html (right and wrong ones with their pictures). Ties between scores count at their expected rank.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from iconotext.core.config import to_data
from iconotext.core.errors import ConfigError
from iconotext.core.files import write_bytes, write_json
from iconotext.core.seed import permutation
from iconotext.data.collate import Seating, Sees
from iconotext.data.pair import PairTable
from iconotext.data.records import DataSet, write_table
from iconotext.data.store import RegionStore
from iconotext.explain import answered, runs
from iconotext.explain.pictures import Pictures
from iconotext.models.checkpoint import tasks_of
from iconotext.models.task import TaskModel
from iconotext.recipes.bars import bar
from iconotext.recipes.scoring import Scorer
from iconotext.tasks.base import Examples, Said, Source
from iconotext.tasks.beam import USUAL, Search
from iconotext.tasks.exhaustive import Exhaustive
from iconotext.tasks.metrics.intervals import Figure, figure
from iconotext.tasks.metrics.retrieval import DEPTHS, image_to_text, median_rank, recall, text_to_image
from iconotext.tasks.retrieval import Retrieval
from iconotext.tasks.table import task_of
from iconotext.train.dist import world

LOOKS: Mapping[Sees, str] = {"both": "", "text": ", regions removed", "picture": ", words removed"}
"""What the model is shown, and how its figures are called then."""
PREFIXES: Mapping[Sees, str] = {"both": "", "text": "blind_", "picture": "wordless_"}
"""How its columns of predictions are called."""
SHOWN = 10
"""The best candidates that are kept of each query."""


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure a fine-tuned model on its task or tasks, or a pre-trained one on retrieval without fine-tuning.

    The model is shown all, then the text with the regions removed, then the picture with the words removed. For retrieval every
    text is scored with every picture. What is measured of one of several tasks is written to RUN/TASK.
    """

    run: Positional[Path]
    """The model, made by `iconotext finetune` or `iconotext pretrain`."""
    data: Path | None = None
    """The data set; None takes the one that the model was trained on."""
    store: Path | None = None
    """Its regions, made as those that the model was trained with; None takes these."""
    task: str = ""
    """Of a model that does several tasks the one to measure, by its name; empty takes all."""
    split: str = "test"
    """The split to measure on."""
    language: str = ""
    """Only texts in this language, such as en or zh; empty takes all."""
    pictures: int = 0
    """Search among this many pictures of the split, drawn by lot, with their texts; 0 takes all of them."""
    kind: str = ""
    """Search with texts of this kind only, such as list in the built-in world; empty takes all. The pictures stay the same."""
    search: Annotated[Search, arg(name="")] = USUAL
    batch: int = 256
    """Pairs of one forward pass."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto takes bf16 where the hardware gains from it."""
    allow_feature_mismatch: bool = False
    """Take regions that were made otherwise than those of the model; what differs is noted in evaluation.json."""
    seed: int = 0
    """Decides the lot and the resampling of the intervals."""
    examples: int = 12
    """Most right examples and most wrong ones on the page examples.html; 0 writes no page."""


@dataclass(frozen=True)
class Result:
    """What was measured: the figures, the same by kind of example, one row an example, and what else is worth a note.

    ``submission`` makes of the predictions what the task's official server takes.
    """

    figures: Sequence[Figure]
    by_kind: Sequence[Mapping[str, Any]]
    predictions: pa.Table
    about: Mapping[str, Any]
    submission: Callable[[pa.Table], tuple[str, str] | None] = lambda predictions: None


def run(options: EvaluateOptions) -> Path:
    """Measures, prints the figures, and returns the path of evaluation.json.

    Raises:
        MissingPiece: there is no model, or it has no head for a task.
        FingerprintError: the regions were made in another way than those that it was trained with.
    """
    names = tasks_of(options.run)
    if options.task or not names:
        return one(options, options.run / options.task if names else options.run)
    found = {name: json.loads(one(replace(options, task=name), options.run / name).read_text()) for name in names}
    figures = [{**figure, "name": f"{name}: {figure['name']}"} for name in names for figure in found[name]["figures"]]
    blind = found[names[0]]["blind"]
    about = {"task": ", ".join(names), "blind": blind, "split": options.split, "options": to_data(options)}
    path = options.run / "evaluation.json"
    write_json(path, {**about, "tasks": found, "figures": figures})
    whole = [Figure(**figure) for figure in figures if blind or not figure["name"].endswith((*LOOKS.values(),)[1:])]
    show(whole, [], f"All tasks: {path}")
    return path


def one(options: EvaluateOptions, out: Path) -> Path:
    """Measures one task into ``out``."""
    options = resolved(options)
    assert options.data is not None
    assert options.store is not None
    data, store = DataSet.open(options.data), RegionStore.open(options.store)
    precision, allowed = options.precision, options.allow_feature_mismatch
    scorer = Scorer.open(options.run, store, world().device, precision, allowed, options.task)
    model = scorer.saved.model
    name = scorer.saved.task or Retrieval.name
    blind: Literal["text", "picture"] | None = scorer.saved.run.get("blind")
    look = searched if name == Retrieval.name else measured
    result = look(options, data, scorer, blind or "both")
    about = {
        "task": name,
        "zero_shot": not isinstance(model, TaskModel),
        "blind": blind,
        "split": options.split,
        "options": to_data(options),
        "data": data.fingerprint,
        **({"feature_mismatch": scorer.mismatch} if scorer.mismatch else {}),
        **result.about,
    }
    figures = [asdict(found) for found in result.figures]
    write_table(out / "predictions.parquet", result.predictions)
    write_json(out / "evaluation.json", {**about, "figures": figures, "by_kind": list(result.by_kind)})
    official = result.submission(result.predictions)
    if official:
        (out / official[0]).write_text(official[1], encoding="utf-8")
    if options.examples > 0:
        page = answered.page(runs.read(out), result.predictions, Pictures(data, store), options.examples)
        write_bytes(out / "examples.html", page.encode())
    pages = ", examples.html" if options.examples > 0 else ""
    show(result.figures, result.by_kind, f"Written to {out / 'evaluation.json'}{pages} and predictions.parquet")
    return out / "evaluation.json"


def resolved(options: EvaluateOptions) -> EvaluateOptions:
    """With the data, its regions and the language that the model was trained on, where the user names none.

    Raises:
        ConfigError: nothing tells what it was trained on.
    """
    file = options.run / "run.json"
    about = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    told = about.get("tasks", {}).get(options.task) or {**about.get("options", {}), "language": ""}
    data, store = (getattr(options, name) or told.get(name) for name in ("data", "store"))
    if not (data and store):
        raise ConfigError(f"{options.run} does not tell what it was trained on: give --data and --store.")
    return replace(options, data=Path(data), store=Path(store), language=options.language or told.get("language", ""))


def measured(options: EvaluateOptions, data: DataSet, scorer: Scorer, sees: Sees) -> Result:
    """Every example: with all there is, with the regions removed, with the words removed. A blind model as it was trained."""
    model = scorer.saved.model
    assert isinstance(model, TaskModel)
    task = task_of(model.task)
    source = Source(data, scorer.store, scorer.words, options.language)
    examples = task.examples(source, options.split, training=False)
    columns, figures, by_kind = {**examples.columns(), "unit": list(examples.units)}, [], []
    with bar("examples") as progress:
        for look in examples.sees if sees == "both" else (sees,):
            suffix = LOOKS[look]
            rows = progress.add_task((examples.figure + suffix)[:60], total=len(examples))
            seats = replace(scorer.seats, sees=look)
            said = everything(model, examples, seats, scorer, options, partial(progress.advance, rows))
            columns |= {PREFIXES[look] + name: as_column(values) for name, values in said.items()}
            if look == sees != "both":
                columns |= {name: as_column(values) for name, values in said.items()}
            measures = examples.measures(said)
            several = sum(bool(measure.parts()) for measure in measures) > 1
            for measure in measures:
                known = ~np.isnan(measure.values)
                name = measure.name + suffix
                figures.append(measure.figure(name, known, options.seed))
                for kind, part in measure.parts().items():
                    found = measure.figure(name, known & part, options.seed)
                    by_kind.append(of_kind(found, kind, f"{kind}: {name}" if several else kind + suffix))
    return Result(figures, by_kind, pa.table(columns), examples.about(), examples.submission)


def everything(
    model: TaskModel,
    examples: Examples,
    seats: Seating,
    scorer: Scorer,
    options: EvaluateOptions,
    done: Callable[[int], object],
) -> Said:
    """What the model says of all examples, in their order."""
    order, parts = [], []
    asked = np.arange(len(examples))
    for rows, said in examples.ask(model, asked, seats, scorer.precision, options.batch, options.search):
        order.append(rows)
        parts.append(said)
        done(len(rows))
    back = np.argsort(np.concatenate(order))
    return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def as_column(values: NDArray[Any]) -> Any:
    """A column of a table; rows of several numbers become lists."""
    return list(values) if values.ndim > 1 else values


def searched(options: EvaluateOptions, data: DataSet, scorer: Scorer, sees: Sees) -> Result:
    """Every text with every picture, both ways."""
    suffix, seats = LOOKS[sees], replace(scorer.seats, sees=sees)
    pairs = PairTable(data, options.split, scorer.words, scorer.store, options.language)
    if options.pictures < 0 or options.pictures > len(pairs.images):
        raise ConfigError(f"--pictures {options.pictures}: split {options.split!r} has {len(pairs.images)} with texts.")
    lot = permutation(len(pairs.images), options.seed, "pictures")[: options.pictures or None]
    images = np.sort(lot)
    of_the_kind = np.array([options.kind in ("", kind) for kind in pairs.kinds])
    rows = np.flatnonzero(np.isin(pairs.image_of, images) & of_the_kind)
    if not len(rows):
        raise ConfigError(
            f"--kind {options.kind}: the texts have the kinds {', '.join(named(pairs.kinds)) or '(none)'}."
        )
    owner = np.searchsorted(images, pairs.image_of[rows])
    names = [pairs.images[i] for i in images]
    trunk, score = scorer.saved.model.trunk, scorer.score()
    exhaustive = Exhaustive(trunk, score, seats, scorer.store, scorer.precision, options.batch)
    with bar("pairs") as progress:
        task = progress.add_task(f"{len(rows):,} texts x {len(images):,} pictures", total=len(rows) * len(images))
        scores = exhaustive.matrix(pairs.texts.rows(rows), names, lambda done: progress.advance(task, done))
    forward, backward = text_to_image(scores, owner), image_to_text(scores, owner)
    kinds = np.array([pairs.kinds[i] for i in rows])
    every, figures, by_kind = np.ones(len(rows), np.bool_), [], []
    for k in DEPTHS:
        hits, name = recall(forward, k), f"text to image R@{k}{suffix}"
        figures.append(found_of(name, hits, owner, every, options.seed))
        for kind in named(kinds.tolist()):
            found = found_of(name, hits, owner, kinds == kind, options.seed)
            by_kind.append(of_kind(found, kind, f"{kind}: {name}"))
    figures += [figure(f"image to text R@{k}{suffix}", recall(backward, k)) for k in DEPTHS]
    texts = [pairs.ids[i] for i in rows]
    own = np.where(owner[:, None] == np.arange(len(images)), scores, -np.inf)
    queries = {"query_id": texts, "query": [pairs.strings[i] for i in rows], "kind": kinds}
    queries["unit"] = [names[i] for i in owner]
    asked = np.flatnonzero(~np.isnan(backward))  # a picture has no text of the kind
    asking_ids = [names[i] for i in asked]
    asking = {"query_id": asking_ids, "query": [""] * len(asked), "kind": [""] * len(asked), "unit": asking_ids}
    predictions = [
        ranking("text_to_image", queries, forward, own.max(1), scores, names),
        ranking("image_to_text", asking, backward[asked], own.max(0)[asked], scores.T[asked], texts),
    ]
    medians = {"text to image": median_rank(forward), "image to text": median_rank(backward)}
    about = {
        "texts": len(rows),
        "pictures": len(images),
        "median_rank": medians,
        "ties": "expected rank",
    }
    return Result(figures, by_kind, pa.concat_tables(predictions), about)


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


def found_of(
    name: str, values: NDArray[np.float64], units: NDArray[Any], where: NDArray[np.bool_], seed: int
) -> Figure:
    """The figure of some of the cases."""
    return figure(name, values[where], units[where], seed)


def of_kind(found: Figure, kind: str, name: str) -> dict[str, Any]:
    """A figure of one kind of example; ``name`` is unique, ``figure`` is the name over all kinds."""
    return {**asdict(found), "name": name, "kind": kind, "figure": found.name}


def named(kinds: Sequence[str]) -> list[str]:
    """The kinds there are, in order of their names; examples without one have no kind of their own."""
    return sorted(set(kinds) - {""})


def show(figures: Sequence[Figure], by_kind: Sequence[Mapping[str, Any]], last: str) -> None:
    """Print figures, and a line after them."""
    table = Table("", "", "95 %", "cases", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for found in figures:
        table.add_row(found.name, f"{found.value:.1%}", f"{found.low:.1%} - {found.high:.1%}", f"{found.n:,}")
    for entry in by_kind:
        cells = (f"{entry['value']:.1%}", f"{entry['low']:.1%} - {entry['high']:.1%}", f"{entry['n']:,}")
        table.add_row(f"  {entry['name']}", *cells, style="dim")
    console = Console(highlight=False)
    console.print(table)
    console.print(last, soft_wrap=True)
