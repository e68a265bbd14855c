"""``iconotext preview``: one batch of pre-training in words and pictures, before a GPU hour is spent on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from tyro.conf import Positional

from iconotext.core.batch import Batch, row_of
from iconotext.core.boxes import iou, overlap
from iconotext.core.seed import Draw
from iconotext.data.pair import PairTable
from iconotext.data.records import DataSet
from iconotext.data.sampler import LengthSampler
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.objectives.base import Corrupted, Objective
from iconotext.objectives.mix import choose, objectives
from iconotext.recipes.asking import with_questions, without_labels
from iconotext.recipes.material import PretrainStream, seating
from iconotext.recipes.named import page_of
from iconotext.regions.draw import draw_regions


@dataclass(frozen=True)
class PreviewOptions:
    """Print for one batch what is masked, what is a target and what each loss scores; draw the masked regions."""

    data: Positional[Path]
    """The data set."""
    store: Positional[Path]
    """Its regions."""
    system: str = "uniter"
    """uniter or vilbert."""
    size: str = "tiny"
    """A size of the system's page."""
    rows: int = 4
    """Pairs to show."""
    step: int = 0
    """The batch of this step."""
    steps: int = 1000
    """Steps of the run, for systems whose mix changes over time."""
    split: str = "train"
    """The split."""
    tokenizer: Path | None = None
    """A tokenizer.json or vocab.txt; None trains one on the texts."""
    pictures: Path | None = None
    """Folder for the pictures with the masked regions marked; None draws none."""
    seed: int = 0
    """As in pre-training."""


def run(options: PreviewOptions) -> None:
    """Prints the preview, and writes the pictures."""
    console = Console()
    for line in describe(options):
        console.print(line, soft_wrap=True)


def describe(options: PreviewOptions) -> Iterator[str]:
    """The preview, line by line; every objective of the system is shown, one batch each where they take turns."""
    data, store = DataSet.open(options.data), RegionStore.open(options.store)
    page = without_labels(page_of(options.system, options.size), store)
    page, asked = with_questions(page, data, options.split, store)
    texts = data.table("texts", options.split, ["text"])["text"].to_pylist()
    words = Words.load(options.tokenizer) if options.tokenizer else Words.train(texts, 8000)
    pairs = PairTable(data, options.split, words, store, asked=asked)
    sampler = LengthSampler(pairs.lengths(page.layout.max_words, page.layout.max_regions), options.rows, options.seed)
    stream = PretrainStream(pairs, seating(page, words.vocab), page.mix, sampler, options.seed, options.steps)
    chosen = choose(page.mix, options.seed, options.step, options.steps)
    named = ", ".join(f"{o.name} (weight {o.weight:g})" for o in objectives(page.mix))
    yield f"[bold]{page.title}[/bold] {options.size}: its objectives are {named}."
    yield f"Step {options.step} of {options.steps} trains {' and '.join(o.name for o in chosen)}."
    plan = sampler.batch(options.step)
    draw = Draw(options.seed, plan.epoch, plan.positions)
    clean = stream.clean(plan.indices, draw, chosen)
    corrupted = stream(options.step)
    drawn_images = _images(stream, plan.indices, draw, chosen)
    for row in range(len(clean)):
        yield from _row(words, clean, corrupted, row, store, drawn_images[row])
        if options.pictures is not None:
            yield _draw(options.pictures, data, corrupted, row, drawn_images[row])
    for objective in chosen:
        yield _scores(objective, corrupted)


def _images(stream: PretrainStream, rows: np.ndarray, draw: Draw, chosen: tuple[Objective, ...]) -> list[str]:
    """The image that each row was given."""
    return [stream.pairs.images[i] for i in stream.drawn(rows, draw, chosen).image]


def _row(words: Words, clean: Batch, corrupted: Corrupted, row: int, store: RegionStore, image: str) -> Iterator[str]:
    """One pair: its words as the model sees them, the regions, and what is hidden."""
    begin, end = (int(clean.text.offsets[row + i]) for i in (0, 1))
    matched = "matched" if bool(clean.matched[row]) else "MISMATCHED on purpose"
    yield f"\n[bold]pair {row}[/bold], image {escape(image)}, {matched}"
    pieces = []
    targets = corrupted.targets.get("mlm")
    scored = set(targets.positions.tolist()) if targets is not None else set()
    for at in range(begin, end):
        was, now = int(clean.text.ids[at]), int(corrupted.batch.text.ids[at])
        shown = escape(words.token(now))
        pieces.append(f"[reverse]{shown}[/reverse]←{escape(words.token(was))}" if at in scored else shown)
    yield "  words:   " + " ".join(pieces)
    first, last = (int(clean.region.offsets[row + i]) for i in (0, 1))
    masked = [i - first for i in range(first, last) if bool(corrupted.batch.region.masked[i])]
    whole = int(clean.region.whole[first:last].sum())
    yield (
        f"  regions: {last - first - whole}"
        + (" and the whole image" if whole else "")
        + (f"; hidden: {', '.join(_name(store, clean, first + i) for i in masked)}" if masked else "; none hidden")
    )
    if masked:
        yield "  " + _leak(corrupted.batch, first, last)


def _name(store: RegionStore, clean: Batch, index: int) -> str:
    probs = clean.region.class_probs[index]
    box = ",".join(f"{v:.0f}" for v in clean.region.boxes[index].tolist())
    if not probs.numel():
        return f"({box})"
    best = int(probs.argmax())
    label = store.class_names[best] if best < len(store.class_names) else str(best)
    return f"{escape(label)} {float(probs[best]):.2f} ({box})"


def _leak(batch: Batch, first: int, last: int) -> str:
    """How much of a hidden region a kept one still shows."""
    boxes, masked = batch.region.boxes[first:last], batch.region.masked[first:last]
    kept = ~masked & ~batch.region.whole[first:last]
    if not bool(kept.any()):
        return "leak:    nothing is left to leak from"
    worst, shared = (float(f(boxes[masked], boxes[kept]).max()) for f in (overlap, iou))
    return f"leak:    a kept region overlaps a hidden one by at most {worst:.0%} of the smaller box (IoU {shared:.2f})"


def _scores(objective: Objective, corrupted: Corrupted) -> str:
    """What a loss scores in this batch."""
    targets = corrupted.targets[objective.name]
    units = {
        "mlm": "words",
        "itm": "pairs",
        "wra": "pairs",
        "iqa": "questions",
        "contrastive": "pairs",
        "cmcl": "groups",
    }
    unit = units.get(objective.name, "regions")
    return (
        f"\n[bold]{objective.name}[/bold] scores {targets.positions.numel()} {unit} of {corrupted.rows} pairs; "
        f"its sum is divided by {targets.count:g}.\n  {objective!r}"
    )


def _draw(folder: Path, data: DataSet, corrupted: Corrupted, row: int, image: str) -> str:
    """Writes the picture with its regions, hidden ones marked."""
    folder.mkdir(parents=True, exist_ok=True)
    region = corrupted.batch.region
    mine = (row_of(region.offsets) == row) & ~region.whole
    masked = region.masked[mine].tolist()
    labels = ["hidden" if hidden else "" for hidden in masked]
    order = torch.tensor(masked).argsort(stable=True).numpy() if masked else np.zeros(0, np.int64)
    boxes = region.boxes[mine].numpy()[order]
    picture = draw_regions(data.image(image), boxes, [labels[i] for i in order])
    path = folder / f"pair-{row}.png"
    picture.save(path)
    return f"  picture: {escape(str(path))}"
