"""``iconotext extract``: from the pictures of a data set to a store of their regions."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float32
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from tyro.conf import Positional

from iconotext.core.errors import ConfigError, DataError
from iconotext.data.records import DataSet
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter
from iconotext.data.tables import write_json
from iconotext.regions.detections import Detections, Detector
from iconotext.regions.resize import Fitted, Frame
from iconotext.regions.select import Selection
from iconotext.regions.table import DetectorOptions, open_detector

SHARD = 512
"""Pictures of a shard: shard i is the i-th slice of the data set's pictures, so it is known without the ones before it."""

_CONSOLE = Console(stderr=True)

Boxes = Float32[np.ndarray, "R 4"]
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class ExtractOptions:
    """Find the regions of all pictures of a data set and keep them, with their features, in a region store.

    A run that was interrupted goes on where it stopped. Pictures that cannot be used are left out, counted, and named with the
    reason in STORE/quarantine.jsonl.
    """

    data: Positional[Path]
    """The data set, made by `iconotext world` or `iconotext ingest`."""
    store: Positional[Path]
    """Folder of the region store."""
    detector: Literal["world", "grid", "patches", "boxes", "bottom-up", "torchvision", "transformers", "onnx"] = "world"
    """world finds drawn things and names them, grid cuts any picture into cells, patches into plain pixels (ViLT),
    boxes takes the boxes of the objects; torchvision, transformers and onnx find things by a network of theirs or yours."""
    model: str = ""
    """The network: torchvision's name, a folder or a name of the hub (transformers), a file (onnx)."""
    weights: Path | None = None
    """A weights file, or torchvision's name of one; None takes those that are published with the network."""
    backbone: str = ""
    """What grid, patches and boxes look with, as SOURCE:NETWORK (torchvision, timm, efficientnet-lite)."""
    layer: str = ""
    """Where a feature is read: a backbone's layer; backbone or queries (transformers)."""
    ask: tuple[str, ...] = ()
    """Things that a detector of open vocabulary looks for (transformers)."""
    given: bool = False
    """Take the boxes of the objects in place of those that the detector finds."""
    min: int = 10
    """Fewest regions of a picture (detectors that find)."""
    max: int = 36
    """Most regions of a picture (detectors that find)."""
    threshold: float = 0.2
    """Confidence from which a box counts as a region (detectors that find)."""
    nms: float = 0.5
    """Overlap (IoU) from which a more confident box hides another (detectors that find)."""
    columns: int = 6
    """Cells side by side (grid, patches)."""
    rows: int = 4
    """Cells one above the other (grid, patches)."""
    width: int = 512
    """Pixels across that a backbone sees (grid, boxes)."""
    height: int = 384
    """Pixels down that a backbone sees (grid, boxes)."""
    batch: int = 32
    """Pictures that are handed to the detector at once; changes the speed, never a result."""
    workers: int = 0
    """Threads that decode and detect; 0 takes one a core."""
    device: str = "auto"
    """auto takes a GPU where there is one; cpu or cuda."""


def run(options: ExtractOptions) -> RegionStore:
    """Write the store, or the rest of it, with a progress bar, and open it.

    Raises:
        DataError: there is no data set, it lacks what the detector needs, or the folder holds something else.
        FingerprintError: the folder holds regions that were made in another way.
        ConfigError: an option is out of range.
    """
    if options.batch < 1 or options.workers < 0:
        raise ConfigError(
            f"extract: --batch is at least 1 and --workers at least 0, not {options.batch}, {options.workers}"
        )
    data = DataSet.open(options.data)
    detector = open_detector(options.detector, _detector_options(options))
    given = _given_boxes(data) if detector.needs_boxes else None
    ids = [image_id for split in data.splits for image_id in data.image_ids(split)]
    writer = StoreWriter(options.store, detector.fingerprint, detector.class_names, detector.attribute_names)
    _require_same_source(options.store, data)
    shards = _cut(ids, SHARD)
    missing = [index for index in range(len(shards)) if not writer.done(index)]
    begin = time.perf_counter()
    with (
        _one_thread_each(),
        Progress(*_columns(), console=_CONSOLE) as bar,
    ):
        task = bar.add_task("regions", total=len(ids), completed=len(ids) - sum(len(shards[i]) for i in missing))
        batches = {index: _cut(shards[index], options.batch) for index in missing}
        work = _ahead(
            partial(_regions, data, detector, given),
            chain.from_iterable(batches.values()),
            options.workers or len(os.sched_getaffinity(0)),
        )
        with closing(work):
            for index, parts in batches.items():
                rows: list[ImageRegions] = []
                for found, refused in islice(work, len(parts)):
                    rows += found
                    for image_id, reason in refused.items():
                        writer.quarantine(image_id, reason)
                    bar.advance(task, len(found) + len(refused))
                writer.write_shard(index, rows)
    store = writer.finish()
    _report(store, sum(len(shards[i]) for i in missing) / (time.perf_counter() - begin), len(ids))
    return store


def _report(store: RegionStore, speed: float, pictures: int) -> None:
    """What a person is told at the end."""
    aside = pictures - len(store)
    mean = store.counts.mean() if len(store) else 0.0
    _CONSOLE.print(
        f"{store.path}: {len(store)} pictures, {mean:.1f} regions each, {speed:.0f} pictures/s", soft_wrap=True
    )
    if aside:
        _CONSOLE.print(f"{aside} set aside, with reasons in {store.path / 'quarantine.jsonl'}", soft_wrap=True)


def _regions(
    data: DataSet, detector: Detector, given: dict[str, Boxes] | None, ids: Sequence[str]
) -> tuple[list[ImageRegions], dict[str, str]]:
    """The regions of some pictures, and the reason for each picture that cannot be used."""
    fitted: dict[str, Fitted] = {}
    refused: dict[str, str] = {}
    for image_id in ids:
        try:
            if given is not None and image_id not in given:
                raise DataError("the data set has no objects for this picture")
            boxes = None if given is None else given[image_id]
            fitted[image_id] = detector.fit(np.asarray(data.image(image_id)), boxes)
        except DataError as error:
            refused[image_id] = str(error)
    try:
        found = dict(zip(fitted, detector.detect(list(fitted.values()))))
    except DataError:
        found = {}
        for image_id, picture in fitted.items():
            try:
                found[image_id] = detector.detect([picture])[0]
            except DataError as error:
                refused[image_id] = str(error)
    return [_row(image_id, fitted[image_id].size, regions) for image_id, regions in found.items()], refused


def _row(image_id: str, size: tuple[int, int], regions: Detections) -> ImageRegions:
    return ImageRegions(
        image_id=image_id,
        size=size,
        boxes=regions.boxes,
        scores=regions.scores,
        features=regions.features.astype(np.float16),
        class_probs=regions.class_probs.astype(np.float16),
        attributes=regions.attributes,
        attribute_scores=regions.attribute_scores,
    )


def _detector_options(options: ExtractOptions) -> DetectorOptions:
    return DetectorOptions(
        weights=options.weights,
        model=options.model,
        backbone=options.backbone,
        layer=options.layer,
        ask=options.ask,
        given=options.given,
        selection=Selection(options.min, options.max, options.threshold, options.nms),
        frame=Frame(options.width, options.height),
        columns=options.columns,
        rows=options.rows,
        device=options.device,
    )


def _given_boxes(data: DataSet) -> dict[str, Boxes]:
    """The true boxes of every picture that has objects."""
    if "objects" not in data.tables:
        raise DataError(
            f"data set {data.path} has no table of objects, so no boxes are given: take a detector that finds some"
        )
    return {
        row["image_id"]: np.array(row["boxes"], dtype=np.float32).reshape(-1, 4)
        for split in data.splits
        for row in data.table("objects", split, ["image_id", "boxes"]).to_pylist()
    }


def _require_same_source(store: Path, data: DataSet) -> None:
    """Note beside the store which data it is made of, or refuse when it is made of other data."""
    file = store / "source.json"
    mine = {"name": data.info["name"], "fingerprint": data.fingerprint}
    if not file.is_file():
        write_json(file, mine)
    elif (there := json.loads(file.read_text("utf-8"))) != mine:
        raise DataError(
            f"region store {store} holds the regions of other data:\n  there: {there}\n  asked: {mine}\n"
            "Delete it or name another folder."
        )


def _cut(items: Sequence[A], size: int) -> list[Sequence[A]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _ahead(function: Callable[[A], B], items: Iterable[A], workers: int) -> Generator[B, None, None]:
    """``map`` by threads, in order, never more than two items a thread ahead; what waits is dropped when it is closed."""
    rest = iter(items)
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = deque(pool.submit(function, item) for item in islice(rest, 2 * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(rest, 1))
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Threads work on pictures side by side, so none splits its own products: that is slower and waits for busy cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _columns() -> tuple[ProgressColumn, ...]:
    return TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()


class _Rate(ProgressColumn):
    """Pictures a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f} pictures/s" if speed else "")
