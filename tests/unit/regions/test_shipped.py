from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from iconotext.core.boxes import iou
from iconotext.regions import open_detector, weights
from iconotext.world.draw import draw
from iconotext.world.scene import COLOURS, load_kinds, sample_scene
from iconotext.world.sprites import Sprites


def test_the_weights_in_the_package_know_the_world() -> None:
    found = weights.load()
    assert found.classes == tuple(kind.name for kind in load_kinds())
    assert found.attributes == COLOURS
    assert weights.SHIPPED.stat().st_size <= 8_000_000
    assert found.info["command"].startswith("iconotext detector train")
    assert found.info["test"]["map50"] >= 0.95
    assert [point["step"] for point in found.info["curve"]] == sorted({point["step"] for point in found.info["curve"]})


@pytest.mark.parametrize("split", ["test", "another"])
def test_they_find_and_name_what_is_drawn(split: str, tmp_path: Path) -> None:
    detector, sprites = open_detector("world"), Sprites(tmp_path)
    right, total = 0, 0
    for number in range(6):
        scene = sample_scene(5, split, number, range(len(load_kinds())))
        (regions,) = detector.detect([draw(scene, 5, sprites)])
        names = regions.class_probs.argmax(axis=1)
        boxes = torch.from_numpy(np.array([thing.box for thing in scene.things], np.float32))
        overlap = iou(boxes, torch.from_numpy(regions.boxes)).numpy()
        for thing, row in zip(scene.things, overlap, strict=True):
            best = int(np.argmax(row * (regions.scores > 0)))
            named = detector.class_names[names[best]] == load_kinds()[thing.kind].name
            total += 1
            right += int(row[best] >= 0.5 and named)
    assert right >= 0.9 * total
