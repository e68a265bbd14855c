"""`iconotext detector`: train the detector of the world on a data set with objects, and measure one."""

from __future__ import annotations

import copy
import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from iconotext.core.batch import Loss
from iconotext.core.errors import ConfigError, DataError
from iconotext.core.seed import derive, permutation
from iconotext.data.records import DataSet
from iconotext.regions import weights
from iconotext.regions.average_precision import Found, Objects, mean_average_precision
from iconotext.regions.detections import Detector
from iconotext.regions.losses import Truth, losses
from iconotext.regions.network import Network, NetworkShape
from iconotext.regions.reader import Reader
from iconotext.regions.resize import Fitted, fit
from iconotext.regions.select import Selection
from iconotext.regions.table import DetectorOptions, open_detector
from iconotext.regions.world import WorldDetector
from iconotext.train.config import TrainConfig
from iconotext.train.log import read
from iconotext.train.loop import train

LOSSES = {"objectness": 1.0, "proposal_box": 1.0, "class": 1.0, "attribute": 1.5, "box": 1.0}
"""The losses and their weights."""
SAVE_EVERY = 250


@dataclass(frozen=True)
class TrainDetector:
    """Train the detector of regions on a data set that has a table of objects, such as the built-in world.

    Goes on where it stopped when it is run again. Writes OUT (safetensors) and OUT's .json with the classes, the
    command, the curve and the figures on the test split; keeps its states and its log in OUT's .run folder.
    """

    data: Path
    """Folder of the data set."""
    out: Path
    """File of the weights, NAME.safetensors."""
    steps: int = 6000
    """Updates of the parameters."""
    batch: int = 4
    """Pictures of an update."""
    learning_rate: float = 3e-3
    """Rate of AdamW at its highest; it rises over the first steps and falls as a cosine."""
    seed: int = 0
    """Seed of all random numbers."""
    evaluate_every: int = 1000
    """Updates between two evaluations on the validation split."""
    validation: int = 200
    """Pictures of the validation split that are looked at."""


@dataclass(frozen=True)
class EvaluateDetector:
    """Measure a detector on the objects of a data set: mAP and recall at IoU 0.5, colours, pictures a second."""

    data: Path
    """Folder of the data set."""
    weights: Path | None = None
    """File of the weights; the package's own if left out."""
    split: str = "test"
    """Split to look at."""


@dataclass(frozen=True)
class Names:
    """What the numbers in a table of objects mean."""

    classes: tuple[str, ...]
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Examples:
    """The pictures of a split with their objects."""

    data: DataSet
    ids: list[str]
    objects: dict[str, tuple[Float32[np.ndarray, "K 4"], Int[np.ndarray, "K"], Int[np.ndarray, "K"]]]

    @classmethod
    def of(cls, data: DataSet, split: str) -> Examples:
        """All pictures of a split; those without objects in the table have none."""
        table = data.table("objects", split, ["image_id", "boxes", "classes", "colours"])
        objects = {
            row["image_id"]: (
                np.array(row["boxes"], dtype=np.float32).reshape(-1, 4),
                np.array(row["classes"], dtype=np.int64),
                np.array(row["colours"], dtype=np.int64),
            )
            for row in table.to_pylist()
        }
        return cls(data, data.image_ids(split), objects)

    def picture(self, image_id: str) -> UInt8[np.ndarray, "H W 3"]:
        """RGB pixels."""
        return np.asarray(self.data.image(image_id))

    def truth(self, image_id: str, fitted: Fitted) -> Truth:
        """The objects in pixels of the network's input, counted from 1 as the network does."""
        boxes, classes, colours = self.objects[image_id]
        return Truth(
            torch.from_numpy(boxes * fitted.scale), torch.from_numpy(classes + 1), torch.from_numpy(colours + 1)
        )


@dataclass(frozen=True)
class Micro:
    """The pictures of one update."""

    pixels: UInt8[Tensor, "B H W 3"]
    truths: list[Truth]
    ids: list[str]
    tokens: int = 0

    @property
    def rows(self) -> int:
        """Pictures."""
        return len(self.ids)

    @property
    def counts(self) -> dict[str, float]:
        """What each loss is averaged over."""
        return dict.fromkeys(LOSSES, float(self.rows))

    def to(self, device: torch.device) -> Micro:
        """The same on another device."""
        truths = [Truth(t.boxes.to(device), t.classes.to(device), t.attributes.to(device)) for t in self.truths]
        return Micro(self.pixels.to(device), truths, self.ids)


def names_of(data: DataSet) -> Names:
    """The classes and colours of a data set.

    Raises:
        DataError: it does not say.
    """
    file = data.path / "classes.json"
    if not file.is_file() or "objects" not in data.tables:
        raise DataError(
            f"data set {data.path} has no objects to train a detector on: `iconotext world` makes one that has"
        )
    found = json.loads(file.read_text(encoding="utf-8"))
    return Names(tuple(found["classes"]), tuple(found["colours"]))


def batches(examples: Examples, size: int, seed: int, start: int) -> Iterator[Micro]:
    """The updates' pictures from number ``start`` on, epoch after epoch in shuffled order, decoded ahead in a thread."""
    total = len(examples.ids)

    def ids(number: int) -> list[str]:
        places = range(number * size, (number + 1) * size)
        order = {epoch: permutation(total, seed, "detector", epoch) for epoch in {p // total for p in places}}
        return [examples.ids[order[p // total][p % total]] for p in places]

    def load(number: int) -> Micro:
        chosen = ids(number)
        fitted = [fit(examples.picture(i)) for i in chosen]
        pixels = torch.from_numpy(np.stack([f.pixels for f in fitted]))
        return Micro(pixels, [examples.truth(i, f) for i, f in zip(chosen, fitted)], chosen)

    numbers = count(start)
    with ThreadPoolExecutor(1) as pool:
        ahead = deque(pool.submit(load, number) for number in islice(numbers, 3))
        while True:
            yield ahead.popleft().result()
            ahead.append(pool.submit(load, next(numbers)))


def run(options: TrainDetector) -> dict[str, float]:
    """Train, measure on the test split, write the weights; returns the figures.

    Raises:
        DataError: the data set has no objects.
        ConfigError: ``out`` is no name of a safetensors file.
    """
    if options.out.suffix != ".safetensors":
        raise ConfigError(f"--out {options.out}: the weights are a safetensors file, so name it NAME.safetensors")
    data = DataSet.open(options.data)
    names, examples, seen = names_of(data), Examples.of(data, "train"), Examples.of(data, "validation")
    torch.manual_seed(derive(options.seed, "detector", "parameters"))
    network = Network(NetworkShape(len(names.classes), len(names.colours))).to(memory_format=torch.channels_last)
    config = TrainConfig(
        steps=options.steps,
        learning_rate=options.learning_rate,
        warmup=min(200, options.steps // 10),
        schedule="cosine",
        weight_decay=0.02,
        betas=(0.9, 0.99),
        seed=options.seed,
        save_every=SAVE_EVERY,
        evaluate_every=options.evaluate_every,
        keep=1,
    )

    def scored(model: nn.Module, micro: Micro) -> Mapping[str, Loss]:
        assert isinstance(model, Network)
        rows = torch.tensor(float(micro.rows))
        return {name: Loss(loss * rows, rows) for name, loss in losses(model, micro.pixels, micro.truths).items()}

    def evaluate(step: int) -> dict[str, float]:
        return measure(_detector(network, names), names, seen, seen.ids[: options.validation])

    folder = options.out.with_suffix(".run")
    train(
        config,
        folder,
        network,
        lambda start: batches(examples, options.batch, options.seed, start),
        scored,
        LOSSES,
        evaluate=evaluate,
    )
    test = Examples.of(data, "test")
    figures = measure(_detector(network, names), names, test, test.ids)
    about = {"name": data.info["name"], "made_by": data.info["made_by"], "fingerprint": data.fingerprint}
    info = {"command": _command(options), "data": about, "test": figures, "curve": _curve(folder)}
    weights.save(options.out, network, names.classes, names.colours, info)
    Console(stderr=True).print(f"{options.out}: " + "  ".join(f"{k} {v:.4g}" for k, v in figures.items()))
    return figures


def evaluate(options: EvaluateDetector) -> dict[str, float]:
    """The figures of a detector on a split, printed and returned."""
    data = DataSet.open(options.data)
    examples = Examples.of(data, options.split)
    detector = open_detector("world", DetectorOptions(weights=options.weights))
    figures = measure(detector, names_of(data), examples, examples.ids)
    Console().print_json(data=figures)
    return figures


def measure(detector: Detector, names: Names, examples: Examples, ids: Sequence[str]) -> dict[str, float]:
    """mAP and recall at IoU 0.5, the share of right colours among the found objects that have one, pictures a second.

    Classes are compared by name, so that a detector may know more of them than the data set has.
    """
    label = {name: number for number, name in enumerate(detector.class_names)}
    tint = {name: number for number, name in enumerate(detector.attribute_names)}
    class_of = np.array([label.get(name, -1) for name in names.classes])
    colour_of = np.array([*(tint.get(name, -1) for name in names.colours), -1])
    found, objects, guesses, truths, seconds = [], [], [], [], 0.0
    for image_id in track(ids, "measuring", console=Console(stderr=True), transient=True):
        picture = examples.picture(image_id)
        begin = time.perf_counter()
        (regions,) = detector.detect([picture])
        seconds += time.perf_counter() - begin
        boxes, classes, colours = examples.objects[image_id]
        guess = regions.class_probs[:, 1:].argmax(axis=1) + 1
        found.append(Found(regions.boxes, regions.scores, guess))
        objects.append(Objects(boxes, class_of[classes]))
        guesses.append(regions.attributes)
        truths.append(colour_of[colours])
    precision = mean_average_precision(found, objects)
    pairs = [(g[o >= 0], t[o[o >= 0]]) for g, t, o in zip(guesses, truths, precision.owners)]
    right = [guess[truth >= 0] == truth[truth >= 0] for guess, truth in pairs]
    return {
        "map50": precision.mean,
        "recall50": precision.recall,
        "colour": float(np.concatenate(right).sum() / max(1, sum(map(len, right)))),
        "pictures": float(len(ids)),
        "pictures_per_second": len(ids) / seconds,
    }


def _detector(network: Network, names: Names) -> WorldDetector:
    """The network as it is now, as a detector."""
    device = next(network.parameters()).device
    folded = copy.deepcopy(network).fold()
    found = weights.Weights(folded, names.classes, names.colours, "in training", {})
    return WorldDetector(Reader(found, device), Selection())


def _curve(folder: Path) -> list[dict[str, object]]:
    """The evaluations of a run, with the seconds of training before each."""
    curve, seconds = [], 0.0
    for line in read(folder / "log.jsonl"):
        if line["kind"] == "step":
            seconds = float(str(line["seconds"]))
        elif line["kind"] == "evaluate":
            figures = {name: line[name] for name in ("map50", "recall50", "colour")}
            curve.append({"step": line["step"], "seconds": round(seconds), **figures})
    return curve


def _command(options: TrainDetector) -> str:
    """The command line that gives these weights, without the places of files."""
    words = ["iconotext detector train --data DATA", f"--out {options.out.name}"]
    for field in fields(options):
        if field.name not in ("data", "out"):
            words.append(f"--{field.name.replace('_', '-')} {getattr(options, field.name)}")
    return " ".join(words)
