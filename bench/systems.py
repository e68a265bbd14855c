"""Every system in training: pairs a second, operations, parameters, memory.

    python bench/systems.py [--systems uniter vilbert] [--batch 32] [--rounds 3] [--precision bf16] [--size base] [--write]

Whole steps (forward, losses, backward, clipping, AdamW) with each system's own objectives, as they take turns, through the
pipeline of training: a data set of captions of 8-20 words and a store of 36 regions x 2048, or for ViLT of 12 x 7 patches of
32 x 32 pixels, both synthetic. The systems take turns within a round; medians over the rounds are printed. Batches are made
before the clock starts. ``--write`` writes docs/systems/speed.md.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from iconotext.core.fingerprint import Fingerprint
from iconotext.core.machine import machine, peak_memory, versions
from iconotext.core.seed import generator
from iconotext.data.pair import PairTable
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter
from iconotext.data.words import Words
from iconotext.explain.systems.counts import Measure, built, flops, parameters, tokens
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.nn.terms import GridPosition
from iconotext.recipes.asking import with_questions, without_labels
from iconotext.recipes.pretrain import PretrainOptions, config_of, losses_of, stream_of, weights
from iconotext.systems import SYSTEMS
from iconotext.train.optim import adamw, update
from iconotext.train.precision import autocast

IMAGES, VOCABULARY, TURNS, SPLIT = 256, 30522, 4, "train"
REGIONS, FEATURE, CLASSES, ATTRIBUTES = 36, 2048, 1600, 400
COLUMNS, ROWS, PIXELS = 12, 7, 3 * 32 * 32
DOCS = Path(__file__).resolve().parents[1] / "docs" / "systems" / "speed.md"


def synthetic(folder: Path) -> None:
    """A data set with captions and questions, a store of regions and one of patches."""
    rng = generator("bench", "systems")
    vocabulary = np.array([f"w{i}" for i in range(VOCABULARY - 5)])
    images = [f"i{i}" for i in range(IMAGES)]
    said = [" ".join(rng.choice(vocabulary, rng.integers(8, 21))) for _ in range(2 * IMAGES)]
    owners, common = [image for image in images for _ in range(2)], {"language": ["en"] * 2 * IMAGES}
    writer = DataSetWriter(folder / "data", "bench", {"command": "bench"}, ["en"])
    ids = [f"t{i}" for i in range(2 * IMAGES)]
    rows: dict[str, Any] = {"text_id": ids, "image_id": owners, "text": said, "matched": [True] * len(ids)}
    writer.write("texts", SPLIT, 0, {**rows, **common, "kind": [""] * len(ids)})
    asked = {
        "question_id": ids,
        "image_id": owners,
        "question": said,
        "answers": [[f"a{i % 3000}"] for i in range(len(ids))],
    }
    writer.write("vqa", SPLIT, 0, {**asked, **common, "kind": [""] * len(ids)})
    writer.finish()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *vocabulary]), "utf-8")
    store(folder / "regions", images, REGIONS, FEATURE, CLASSES, ATTRIBUTES)
    store(folder / "patches", images, COLUMNS * ROWS, PIXELS, 0, 0)


def store(path: Path, images: list[str], count: int, width: int, classes: int, attributes: int) -> None:
    """Boxes on a grid where there are no classes, anywhere else."""
    rng = generator("bench", path.name)
    print_ = Fingerprint(
        "bench", "none", "none", "none", "RGB", str(count), "float16", width, classes + bool(classes), attributes
    )
    names = ("background", *(f"c{i}" for i in range(classes))) if classes else ()
    writer = StoreWriter(path, print_, names, tuple(f"a{i}" for i in range(attributes)))
    cell = np.array([640 / COLUMNS, 480 / ROWS])
    corner = np.stack(np.meshgrid(np.arange(COLUMNS), np.arange(ROWS)), -1).reshape(-1, 2) * cell
    found = []
    for image in images:
        low = rng.random((count, 2)) * (300, 200) if classes else corner
        high = low + rng.random((count, 2)) * 200 + 20 if classes else corner + cell
        found.append(
            ImageRegions(
                image,
                (640, 480),
                np.concatenate([low, high], 1).astype(np.float32),
                np.ones(count, np.float32),
                np.abs(rng.standard_normal((count, width), np.float32)).astype(np.float16),
                rng.dirichlet(np.full(classes + 1, 0.01), count).astype(np.float16)
                if classes
                else np.zeros((count, 0), np.float16),
                rng.integers(0, attributes, count).astype(np.int32) if attributes else np.full(count, -1, np.int32),
                np.ones(count, np.float32),
            )
        )
    writer.write_shard(0, found)
    writer.finish()


def opened(page: System, folder: Path) -> RegionStore:
    """The store that a page reads."""
    grid = any(isinstance(term, GridPosition) for term in page.region.terms)
    return RegionStore.open(folder / ("patches" if grid else "regions"))


def make(
    page: System, folder: Path, batch: int, precision: str, device: torch.device
) -> tuple[Callable[[], None], int]:
    """A function that takes some whole steps, and how many pairs those are. Phases are taken at their last."""
    data, regions = DataSet.open(folder / "data"), opened(page, folder)
    page, asked = with_questions(without_labels(page, regions), data, SPLIT, regions)
    words = Words.load(folder / "vocab.txt")
    pairs = PairTable(data, SPLIT, words, regions, "", asked)
    options = PretrainOptions(folder / "data", folder / "regions", folder / "run", steps=10_000, batch=batch)
    config = config_of(options, page)
    stream = stream_of(options, config, page, pairs, words)
    micros = [stream(config.steps - 1 - i).to(device) for i in range(TURNS)]
    torch.manual_seed(0)
    sizes = (regions.feature_dim, regions.class_count, len(regions.attribute_names))
    model = PretrainModel(page, words.vocab.size, *sizes).to(device).train()
    optimiser, shares = adamw(model, config), weights(page)

    def run() -> None:
        for micro in micros:
            with autocast(precision, device):  # type: ignore[arg-type]
                losses = losses_of(model, micro)
            optimiser.zero_grad(set_to_none=True)
            torch.stack([shares[name] * loss.mean for name, loss in losses.items()]).sum().backward()  # type: ignore[no-untyped-call]
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            update(optimiser, gradients, min(1.0, page.recipe.clip / float(nn.utils.get_total_norm(gradients))))

    return run, sum(micro.rows for micro in micros)


def seconds(run: Callable[[], None], device: torch.device) -> float:
    """Wall time of one call."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def memory(args: argparse.Namespace, name: str, folder: Path) -> float:
    """Peak memory in GB of a process of its own that takes the steps once (on a GPU: of the device)."""
    command = [sys.executable, __file__, "--only", name, "--folder", str(folder), "--batch", str(args.batch)]
    command += ["--device", args.device, "--precision", args.precision, "--size", args.size]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def peak(device: torch.device) -> float:
    """This process's own, in GB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return peak_memory() / 1e9


def measured(args: argparse.Namespace, folder: Path) -> list[tuple[str, ...]]:
    """A row a system."""
    device, pages = torch.device(args.device), {name: SYSTEMS[name].at(args.size) for name in args.systems}
    times: dict[str, list[float]] = {name: [] for name in pages}
    pairs: dict[str, int] = {}
    for _ in range(args.rounds):
        for name, page in pages.items():  # one model at a time: all of them at once would not fit into small machines
            run, pairs[name] = make(page, folder, args.batch, args.precision, device)
            run()
            times[name].append(seconds(run, device))
            del run
            gc.collect()
    rows: list[tuple[str, ...]] = []
    for name, page in pages.items():
        regions = opened(page, folder)
        sizes = (regions.feature_dim, regions.class_count, len(regions.attribute_names))
        measure = Measure(VOCABULARY, *sizes, words=14, regions=int(regions.counts[0]))
        model = built(page, measure)
        speed, operations = pairs[name] / median(times[name]), flops(model.trunk, tokens(page, measure))
        cells = (f"{speed:.1f}", f"{operations / 1e9:.3g}", f"{sum(parameters(model).values()) / 1e6:.1f}")
        rows.append((page.title, page.streams, *cells, f"{memory(args, name, folder):.2f}"))
    return rows


def page_of(args: argparse.Namespace, rows: list[tuple[str, ...]]) -> str:
    """The table with what it takes to make it again."""
    heads = ("system", "streams", "pairs/s", "GFLOPs a pair", "parameters (M)", "peak memory (GB)")
    lines = [heads, ("---", "---", *("---:",) * 4), *rows]
    command = f"python bench/systems.py --batch {args.batch} --rounds {args.rounds} --precision {args.precision}"
    command += f" --device {args.device} --size {args.size}"
    command += "" if list(args.systems) == list(SYSTEMS) else " --systems " + " ".join(args.systems)
    about = ", ".join(f"{name} {version}" for name, version in versions().items())
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"""# Speed of the systems

{table}

Each system in size {args.size} takes whole training steps (forward, losses, backward, clipping, AdamW) with its own
objectives, on {args.batch} pairs of {REGIONS} regions x {FEATURE:,} and captions of 8-20 words; one that reads a grid has
{COLUMNS} x {ROWS} patches in place of regions, BERT none. Medians of {args.rounds} rounds in which the systems take turns,
{torch.get_num_threads()} thread(s), {args.precision}. Operations are of the trunk's matrix products, forward, of a pair with
14 words. Memory is the peak of a process of its own.

Made by `{command} --write` on {machine()} ({about}).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS), metavar="NAME")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--size", default="base")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--write", action="store_true", help=f"write {DOCS.name}")
    parser.add_argument("--only", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        device = torch.device(args.device)
        make(SYSTEMS[args.only].at(args.size), args.folder, args.batch, args.precision, device)[0]()
        print(peak(device))
        return
    with tempfile.TemporaryDirectory() as folder:
        synthetic(Path(folder))
        text = page_of(args, measured(args, Path(folder)))
    print(text)
    if args.write:
        DOCS.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
