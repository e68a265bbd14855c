"""Unified VLP's features: HDF5 shards by the last three characters of an id, or ``.npy`` files, with one file of boxes.

``<prefix>_feat148.h5`` and ``<prefix>_cls148.h5`` hold a data set an image; ``<prefix>_bbox.h5`` holds for all images
x1 y1 x2 y2, class and score of each region. The older way has ``<id>.npy`` and ``<id>_cls_prob.npy`` in a folder. The
image's size is not stored. Source: VLP ``vlp/seq2seq_loader.py`` (Preprocess4Seq2seqDecoder).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from iconotext.core.errors import ConfigError, DataError
from iconotext.data.features.fields import numbers
from iconotext.data.features.h5 import is_h5, names_of, open_h5, read
from iconotext.data.features.record import Listed, Reading, Record, Source
from iconotext.data.npy import read_file, read_npy

_BOXES = "_bbox.h5"
_PROBS = "_cls_prob.npy"


def recognises(path: Path) -> bool:
    """Whether it is a file of boxes by its name, the prefix of one, or a folder with class probabilities as ``.npy``."""
    if path.is_dir():
        return next(path.glob(f"*{_PROBS}"), None) is not None
    return is_h5(_boxes_of(path)) and _boxes_of(path).name.endswith(_BOXES)


def open_source(path: Path, reading: Reading) -> Source:
    """The images of a file of boxes (or of the prefix before ``_bbox.h5``), or of a folder with ``--boxes``.

    Raises:
        ConfigError: a folder without ``--boxes``.
        DataError: there is no such file, or it is cut short.
    """
    if path.is_dir():
        return _legacy(path, reading)
    boxes = open_h5(reading.boxes or _boxes_of(path))
    prefix = str(path).removesuffix(_BOXES)
    shards: Callable[[str], Any] = lru_cache(maxsize=4)(lambda name: open_h5(Path(name)))

    def load(image_id: str) -> Record:
        end = image_id[-3:]
        features = read(shards(f"{prefix}_feat{end}.h5"), image_id)
        probs = read(shards(f"{prefix}_cls{end}.h5"), image_id)
        return _record(image_id, features, probs, read(boxes, image_id), f"{prefix}_feat{end}.h5")

    # Shard by shard, so that each is opened once.
    names = sorted(names_of(boxes), key=lambda image_id: (image_id[-3:], image_id))
    return Listed("h5_regions", names, load, boxes.close)


def _legacy(folder: Path, reading: Reading) -> Source:
    if reading.boxes is None:
        raise ConfigError(
            f"{folder}: features in .npy files need the file of their boxes: name it with --boxes FILE.h5"
        )
    boxes = open_h5(reading.boxes)
    names = sorted({file.name.removesuffix(_PROBS).removesuffix(".npy") for file in folder.glob("*.npy")})

    def load(image_id: str) -> Record:
        features, probs = (
            read_npy(read_file(folder / f"{image_id}{end}"), str(folder / f"{image_id}{end}"))
            for end in (".npy", _PROBS)
        )
        return _record(image_id, features, probs, read(boxes, image_id), f"{folder / image_id}.npy")

    return Listed("legacy_npy", names, load, boxes.close)


def _boxes_of(path: Path) -> Path:
    return path if path.is_file() else path.with_name(path.name + _BOXES)


def _record(image_id: str, features: Any, probs: Any, boxes: Any, where: str) -> Record:
    """The record; the numbers of rows have to agree."""
    six = numbers(boxes, "the boxes")
    if six.ndim != 2 or six.shape[1] != 6:
        raise DataError(f"{where}, image {image_id!r}: the boxes have the shape {six.shape}, not six numbers a region")
    try:
        return Record(
            image_id=image_id,
            features=numbers(features, "the features"),
            boxes=np.ascontiguousarray(six[:, :4]),
            class_probs=numbers(probs, "the class probabilities"),
            scores=np.ascontiguousarray(six[:, 5]),
            extra={"bbox6": six},
        )
    except DataError as error:
        raise DataError(f"{where}, image {image_id!r}: {error}") from error
