"""The written world: the same bytes with any number of processes and after any interruption, and what its tables say."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.world.scene import COLOURS, load_kinds, sample_scene
from iconotext.world.write import UNSEEN, WORLD_SIZES, Plan, Size, write_world

SMALL = Size(12, {"train": 30, "validation": 10, "test": 10, UNSEEN: 10}, shard=10)
PLAN = Plan(SMALL, 5, ("en", "zh"), 0.1)

PROGRAM = f"""
import sys
from iconotext.data.records import DataSetWriter
from iconotext.world.write import Plan, Size, write_world
list(write_world(DataSetWriter(sys.argv[1], "world", {{}}, ["en", "zh"]), {PLAN!r}, 1))
"""


def make(folder, plan=PLAN, workers=1):
    writer = DataSetWriter(folder, "world", {}, ["en", "zh"])
    done = list(write_world(writer, plan, workers))
    assert sum(count for name, count in done if name == "drawings") == len(plan.kinds)
    assert sum(count for name, count in done if name == "pictures") == sum(plan.size.pictures.values())
    return writer.finish()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make(tmp_path_factory.mktemp("world") / "data")


def content(folder):
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_splits_and_tables(world):
    assert {split: counts["images"] for split, counts in world.info["splits"].items()} == SMALL.pictures
    assert {"images", "objects", "texts", "vqa", "statements", "choices"} <= set(world.tables)
    assert {"expressions", "queries", "minimal_pairs"} <= set(world.tables)
    classes = json.loads((world.path / "classes.json").read_text("utf-8"))
    assert classes == {"classes": [kind.name for kind in load_kinds()], "colours": list(COLOURS)}


def test_pictures_and_truth_belong_together(world):
    scenes = PLAN.scenes("test", 0)
    rows = world.table("objects", "test").to_pylist()
    assert [row["image_id"] for row in rows] == world.image_ids("test") == [scene.image_id for scene in scenes]
    for row, scene in zip(rows, scenes):
        assert np.allclose(row["boxes"], [thing.box for thing in scene.things])
        assert row["classes"] == [thing.kind for thing in scene.things]
        assert row["sizes"] == [thing.size for thing in scene.things]
        assert [COLOURS[c] if c >= 0 else "" for c in row["colours"]] == [thing.colour for thing in scene.things]
        assert set(row["classes"]) <= set(PLAN.kinds)
    assert world.image(scenes[0].image_id).size == (256, 192)


def test_ids_are_unique(world):
    for table, column in [("texts", "text_id"), ("vqa", "question_id"), ("statements", "statement_id")]:
        ids = [i for split in world.splits for i in world.table(table, split).column(column).to_pylist()]
        assert len(ids) == len(set(ids)) > 0


def test_same_bytes_with_two_processes(world, tmp_path):
    assert content(make(tmp_path / "data", workers=2).path) == content(world.path)


def test_another_seed_is_another_world(world, tmp_path):
    assert make(tmp_path / "data", Plan(SMALL, 6, ("en", "zh"), 0.1)).fingerprint != world.fingerprint


def test_killed_and_started_again_gives_the_same_bytes(world, tmp_path):
    folder = tmp_path / "data"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(folder.rglob("*.parquet"))) < 20:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(folder.glob("images/*.parquet"))) < len(PLAN.shards)
    with pytest.raises(DataError, match="not finished"):
        DataSet.open(folder)
    assert content(make(folder).path) == content(world.path)


def test_unseen_combinations_are_held_out_of_all_other_splits():
    plan = Plan(WORLD_SIZES["small"], 0, ("en",), 0.0)
    assert len(plan.kinds) == len(set(plan.kinds)) == 100
    for split, shard in plan.shards:
        if shard > 1:
            continue
        for scene in plan.scenes(split, shard):
            shown = {(thing.kind, thing.colour) for thing in scene.things}
            assert bool(shown & plan.held_out) == (split == UNSEEN)
    assert not Plan(WORLD_SIZES["tiny"], 0, ("en",), 0.0).held_out


def test_shards_cover_every_picture_once():
    plan = Plan(WORLD_SIZES["base"], 0, ("en",), 0.0)
    assert len(plan.shards) == (20_000 + 1000 + 2000 + 1000) // 250
    last = plan.scenes("test", 7)
    assert last[-1] == sample_scene(0, "test", 1999, plan.kinds, banned=plan.held_out)
