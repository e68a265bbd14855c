"""A shard that was begun and not written: what of it is still there."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from iconotext.core.fingerprint import Fingerprint
from iconotext.core.seed import generator
from iconotext.data.begun import Begun
from iconotext.data.coding import Storage
from iconotext.data.shard import ImageRegions, shapes_of
from iconotext.data.store import StoreWriter

PRINT = Fingerprint("toy", "none", "pool", "none", "RGB", "all", "float16", 5, 3, 2)
SHAPES = shapes_of(PRINT)


def regions(image_id: str, count: int) -> ImageRegions:
    random = generator(image_id)
    numbers = {name: random.random((count, *SHAPES[name]), np.float32) for name in SHAPES}
    whole = numbers["attributes"].astype(np.int32)
    half = {name: numbers[name].astype(np.float16) for name in ("features", "class_probs")}
    return ImageRegions(image_id, (640, 480), **numbers | half | {"attributes": whole})


def same(one: ImageRegions, other: ImageRegions) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def test_batches_are_there_again(tmp_path: Path) -> None:
    begun = Begun(tmp_path, 3, SHAPES)
    assert begun.left(["a", "b"]) == ["a", "b"]
    begun.add([regions("a", 3), regions("b", 0)], {"x": "torn"})
    begun.add([], {"y": "空"})
    begun = Begun(tmp_path, 3, SHAPES)
    begun.add([regions("c", 2)], {})
    again = Begun(tmp_path, 3, SHAPES)
    assert again.refused == {"x": "torn", "y": "空"}
    assert again.left([*"abcdxy"]) == ["d"]
    assert all(same(again.rows[name], regions(name, count)) for name, count in (("a", 3), ("b", 0), ("c", 2)))
    assert not Begun(tmp_path, 4, SHAPES).rows
    again.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lost", [".arrow", ".json"])
def test_a_torn_batch_is_found_again(tmp_path: Path, lost: str) -> None:
    begun = Begun(tmp_path, 0, SHAPES)
    for name in "abc":
        begun.add([regions(name, 2)], {f"no {name}": "torn"})
    for number, content in ((0, b""), (1, None)):
        file = tmp_path / ".begun-00000" / f"{number:05d}{lost}"
        file.write_bytes(file.read_bytes()[:-9] if content is None else content)
    again = Begun(tmp_path, 0, SHAPES)
    assert list(again.rows) == ["c"]
    assert again.refused == {"no c": "torn"}
    again.add([regions("d", 1)], {})
    assert [*Begun(tmp_path, 0, SHAPES).rows] == ["c", "d"]


def test_a_finished_store_has_none_left(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, PRINT, [], [], Storage("int8"))
    writer.begun(0).add([regions("a", 2)], {})
    kept = writer.begun(0).rows["a"]
    assert same(kept, regions("a", 2))
    writer.write_shard(0, [kept])
    writer.finish()
    assert not list(tmp_path.glob(".begun-*"))
