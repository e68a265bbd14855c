"""``iconotext extract``: from the pictures of a data set to a store of their regions."""

from __future__ import annotations

import re
import time
import warnings

from rich.console import Console

from iconotext.core.errors import ConfigError
from iconotext.core.machine import available_cores
from iconotext.core.seed import derive
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore, Storage, StoreWriter, locked
from iconotext.recipes.bars import bar
from iconotext.recipes.extraction import Pictures, Work, given_boxes, plan_work
from iconotext.recipes.flags import ExtractOptions
from iconotext.recipes.on_ray import Share, write_on_ray
from iconotext.regions.detections import Detector
from iconotext.regions.resize import Frame
from iconotext.regions.select import Selection
from iconotext.regions.table import DetectorOptions, open_detector

SHARD = 512
"""Pictures of a shard."""

_CONSOLE = Console(stderr=True)


def run(options: ExtractOptions) -> RegionStore:
    """Write the store, or the rest of it, with a progress bar, and open it.

    Raises:
        DataError: there is no data set, it lacks what the detector needs, or the folder holds something else.
        FingerprintError: the folder holds regions that were made in another way.
        ConfigError: an option is out of range.
    """
    number, parts = _part(options)
    begin = time.perf_counter()
    work, writer = begin_work(options, SHARD)
    shards = range(len(work.shards))
    mine = sorted(shards, key=lambda index: derive("extract part", index))[number - 1 :: parts]
    missing = sorted(index for index in mine if not writer.done(index))
    left = sum(map(work.count, missing))
    with bar("pictures") as progress:
        total = sum(map(work.count, mine))
        task = progress.add_task("regions", total=total, completed=total - left)

        def advance(pictures: int) -> None:
            progress.advance(task, pictures)

        if options.engine == "ray":
            share = Share(options.ray_workers, options.workers or 1, options.device != "cpu")
            write_on_ray(_RayWorker, (options, SHARD), missing, share, advance)
        else:
            work.write(writer, missing, options.batch, options.workers or available_cores(), advance)
    with locked(options.store):
        waiting = [index for index in shards if not writer.done(index)]
        if not waiting:
            store = writer.finish()
            _report(store, left / (time.perf_counter() - begin), sum(map(work.count, shards)))
            return store
    _CONSOLE.print(f"part {options.part} is done; {len(waiting)} of {len(shards)} shards are left to the other parts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # That it is not finished has just been said.
        return RegionStore.open(options.store)


def begin_work(options: ExtractOptions, shard: int) -> tuple[Work, StoreWriter]:
    """What is to be done and where it goes to; for every process that takes part.

    Raises:
        DataError: there is no data set, it lacks what the detector needs, or the folder holds something else.
        FingerprintError: the folder holds regions that were made in another way.
        ConfigError: an option is out of range.
    """
    if options.batch < 1 or min(options.workers, options.top_classes, options.ray_workers) < 0:
        raise ConfigError(
            f"extract: --batch {options.batch} has to be at least 1, and --workers {options.workers}, --top-classes "
            f"{options.top_classes} and --ray-workers {options.ray_workers} at least 0"
        )
    pictures, detector = open_pictures(options)
    with locked(options.store):
        writer = open_writer(options, detector)
        return plan_work(options.store, pictures, detector, shard, options.workers or available_cores()), writer


def open_pictures(options: ExtractOptions) -> tuple[Pictures, Detector]:
    """The pictures, and what looks at them."""
    data = DataSet.open(options.data)
    detector = open_detector(options.detector, _detector_options(options))
    return Pictures(data, given_boxes(data) if detector.needs_boxes else None), detector


def open_writer(options: ExtractOptions, detector: Detector) -> StoreWriter:
    """Where the regions go to."""
    storage = Storage(options.features, options.top_classes)
    return StoreWriter(options.store, detector.fingerprint, detector.class_names, detector.attribute_names, storage)


class _RayWorker:
    """A process on a cluster, which writes the shards that it is given."""

    def __init__(self, options: ExtractOptions, shard: int) -> None:
        self._work, self._writer = begin_work(options, shard)
        self._batch, self._threads = options.batch, options.workers or 1

    def __call__(self, index: int) -> int:
        """Write a shard; returns its number of pictures."""
        if not self._writer.done(index):
            self._work.write(self._writer, [index], self._batch, self._threads, lambda _: None)
        return self._work.count(index)


def _part(options: ExtractOptions) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", options.part)
    number, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= parts:
        raise ConfigError(f"--part {options.part!r}: write I/N with I from 1 to N, such as 2/4")
    return number, parts


def _report(store: RegionStore, speed: float, pictures: int) -> None:
    """What a person is told at the end."""
    aside = pictures - len(store)
    mean = store.counts.mean() if len(store) else 0.0
    _CONSOLE.print(
        f"{store.path}: {len(store)} pictures, {mean:.1f} regions each, {speed:.0f} pictures/s", soft_wrap=True
    )
    if aside:
        _CONSOLE.print(f"{aside} set aside, with reasons in {store.path / 'quarantine.jsonl'}", soft_wrap=True)


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
