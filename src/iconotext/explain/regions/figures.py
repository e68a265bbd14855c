"""A region store in figures: counts, sizes, scores, classes, how much of a picture regions cover, what is there twice."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from iconotext.core.boxes import iou
from iconotext.data.store import ImageRegions, RegionStore

RASTER = 32
"""Cells a side of the raster on which coverage is counted."""
SAMPLE = 2000
"""The most pictures whose features are read for their moments."""
WHOLE = 0.98
"""Share of a picture from which a region is the picture itself, which says nothing about things in it."""
TWICE = 0.95
"""Overlap (IoU) from which a box repeats another."""


@dataclass(frozen=True)
class Spread:
    """How numbers are spread: ``counts`` of the bins between ``edges``, and least, mean and greatest."""

    edges: list[float]
    counts: list[int]
    low: float
    mean: float
    high: float

    @classmethod
    def of(cls, values: NDArray[Any], whole: bool = False) -> Spread:
        """Of shares in twenty bins from 0 to 1; of ``whole`` numbers in a bin each, at most forty."""
        if not len(values):
            return cls([0.0, 1.0], [0], 0.0, 0.0, 0.0)
        low, high = float(values.min()), float(values.max())
        if whole:
            width = max(1, -(-int(high - low + 1) // 40))
            edges = np.arange(low, high + width + 0.5, width)
        else:
            edges = np.linspace(min(low, 0.0), max(high, 1.0), 21)
        counts, _ = np.histogram(values, edges)
        return cls(edges.tolist(), counts.tolist(), low, float(values.mean()), high)


def measure(store: RegionStore) -> dict[str, Any]:
    """The figures of a store as plain JSON values; a pass over all boxes, and over the features of a sample of pictures.

    Regions that are the whole picture are counted, and left out of sizes, scores, classes, attributes and coverage.
    """
    each = [_picture(store.get(image_id), store.class_count) for image_id in store.ids]
    joined = {name: np.concatenate([e[name] for e in each]) if each else np.zeros(0) for name in ("sizes", "scores")}
    classes = Counter(label for e in each for label in e["classes"].tolist())
    attributes = Counter(label for e in each for label in e["attributes"].tolist())
    same = Counter(e["digest"] for e in each if e["regions"])
    reasons = _quarantine(store)
    return {
        "format": "iconotext-store-figures/1",
        "store": str(store.path),
        "pictures": len(store),
        "regions": int(store.counts.sum()),
        "whole_pictures": sum(e["whole"] for e in each),
        "pictures_without_regions": int((store.counts == 0).sum()),
        "quarantined": sum(reasons.values()),
        "quarantine_reasons": dict(reasons.most_common()),
        "problems": store.problems,
        "regions_a_picture": vars(Spread.of(store.counts, whole=True)),
        "size_share": vars(Spread.of(joined["sizes"])),
        "score": vars(Spread.of(joined["scores"])),
        "coverage": vars(Spread.of(np.array([e["coverage"] for e in each]))),
        "classes": [[_name(store.class_names, i), n] for i, n in classes.most_common()],
        "classes_without_regions": [
            _name(store.class_names, i) for i in range(1, store.class_count) if i not in classes
        ],
        "attributes": [["none" if i < 0 else _name(store.attribute_names, i), n] for i, n in attributes.most_common()],
        "repeated_boxes": int(sum(e["repeated"] for e in each)),
        "same_pictures": sum(n for n in same.values() if n > 1),
        "same_groups": [[e["id"] for e in each if e["digest"] == key] for key, n in same.most_common(10) if n > 1],
        "features": _moments(store),
    }


def _picture(found: ImageRegions, classes: int) -> dict[str, Any]:
    width, height = found.size
    shares = found.boxes / np.array([width, height, width, height], np.float32)
    sides = np.clip(shares[:, 2:] - shares[:, :2], 0, None)
    areas = sides.prod(1)
    parts = areas < WHOLE
    labels = found.class_probs[parts, 1:].argmax(1) + 1 if classes > 1 and parts.any() else np.zeros(0, np.int64)
    boxes = torch.from_numpy(found.boxes.copy())
    repeats = (iou(boxes, boxes) > TWICE).triu(1).any(0).sum()
    return {
        "id": found.image_id,
        "regions": len(shares),
        "whole": int((~parts).sum()),
        "sizes": areas[parts],
        "scores": found.scores[parts],
        "classes": labels,
        "attributes": found.attributes[parts],
        "coverage": float(covered(shares[parts]).mean()),
        "repeated": int(repeats),
        # Equal pictures have equal features; the first region's are enough to tell others apart.
        "digest": blake2b(found.boxes.tobytes() + found.features[:1].tobytes(), digest_size=12).digest(),
    }


def covered(shares: Float32[np.ndarray, "R 4"]) -> Bool[np.ndarray, "r r"]:
    """Which cells of a raster have their middle inside some box; boxes are shares of the picture."""
    middle = (np.arange(RASTER) + 0.5) / RASTER
    across = (shares[:, :1] <= middle) & (middle < shares[:, 2:3])
    down = (shares[:, 1:2] <= middle) & (middle < shares[:, 3:])
    inside: NDArray[np.bool_] = np.asarray((down[:, :, None] & across[:, None]).any(axis=0))
    return inside


def _moments(store: RegionStore) -> dict[str, Any]:
    """Mean and deviation over all entries of a sample of pictures, and the entries that are always 0."""
    step = max(1, -(-len(store) // SAMPLE))
    total, squares, regions = 0.0, 0.0, 0
    used = np.zeros(store.feature_dim, np.bool_)
    for image_id in store.ids[::step]:
        values = store.get(image_id).features.astype(np.float32)
        total += float(values.sum())
        squares += float(np.square(values).sum())
        regions += len(values)
        used |= (values != 0).any(0)
    entries = max(regions * store.feature_dim, 1)
    mean = total / entries
    return {
        "width": store.feature_dim,
        "regions_read": regions,
        "mean": mean,
        "deviation": max(squares / entries - mean**2, 0.0) ** 0.5,
        "entries_always_zero": int((~used).sum()),
    }


def _quarantine(store: RegionStore) -> Counter[str]:
    """How many pictures were set aside for each reason."""
    file = store.path / "quarantine.jsonl"
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    return Counter(str(json.loads(line)["reason"]) for line in lines)


def _name(names: list[str], index: int) -> str:
    return names[index] if index < len(names) else str(index)
