"""Extraction by several processes, of equal pictures, in small forms, and of pictures that mean harm."""

from __future__ import annotations

import io
import json
import multiprocessing
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iconotext.core.errors import ConfigError, DataError
from iconotext.core.seed import generator
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.store import RegionStore
from iconotext.recipes import extract
from iconotext.recipes.extract import run
from iconotext.recipes.flags import ExtractOptions, PlanOptions
from iconotext.recipes.plan import run as plan
from iconotext.recipes.plan import sample
from iconotext.regions.grid import GridDetector

GIGABYTE = 2**30


def encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **settings)
    return out.getvalue()


def noise(name: str, width: int = 64, height: int = 48) -> Image.Image:
    coarse = generator("many", name).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST)


def make(path: Path, files: dict[str, bytes]) -> DataSet:
    writer = DataSetWriter(path, "toy", {"command": "test", "files": sorted(files)}, ["en"])
    images = [{"bytes": data, "path": f"{name}.jpg"} for name, data in files.items()]
    columns = {"image_id": list(files), "image": images, "width": [1] * len(files), "height": [1] * len(files)}
    writer.write("images", "train", 0, columns)
    return writer.finish()


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "SHARD", 3)


@pytest.fixture
def options(tmp_path: Path) -> ExtractOptions:
    """Twenty pictures, of which two are equal to others, and one is none."""
    files = {f"p{i}": encoded(noise(str(i)), "PNG") for i in range(20)}
    files |= {"p7": files["p2"], "p19": files["p2"], "p11": b"no picture"}
    make(tmp_path / "data", files)
    return ExtractOptions(tmp_path / "data", tmp_path / "store", detector="grid", columns=2, rows=2, workers=1)


def files_of(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(store.iterdir())}


def test_two_processes_make_the_rows_of_one(options: ExtractOptions, tmp_path: Path) -> None:
    run(options)
    both = [replace(options, store=tmp_path / "two", part=f"{number}/2") for number in (1, 2)]
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=run, args=(mine,)) for mine in both]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert files_of(tmp_path / "two") == files_of(options.store)
    assert len(RegionStore.open(tmp_path / "two")) == 19


@pytest.mark.parametrize("parts", [3, 9])
def test_parts_do_not_overlap_and_the_last_completes(options: ExtractOptions, tmp_path: Path, parts: int) -> None:
    run(options)
    seen: set[str] = set()
    for number in range(1, parts + 1):
        store = run(replace(options, store=tmp_path / "parts", part=f"{number}/{parts}"))
        files = {file.name for file in (tmp_path / "parts").glob("*.arrow")}
        assert seen <= files
        assert bool(store.problems) == (number < min(parts, 6))
        seen = files
    assert files_of(tmp_path / "parts") == files_of(options.store)


def test_equal_pictures_are_looked_at_once(
    options: ExtractOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = GridDetector.detect
    seen: list[object] = []

    def counted(self: GridDetector, pictures: Sequence[object]) -> object:
        seen.extend(pictures)
        return original(self, pictures)  # type: ignore[arg-type]

    monkeypatch.setattr(GridDetector, "detect", counted)
    store = run(options)
    assert len(seen) == 17
    assert len(store) == 19
    assert sum(store.counts[:17]) == 17 * 4
    for twin in ("p7", "p19"):
        assert np.array_equal(store.get(twin).features, store.get("p2").features)
    assert json.loads((options.store / "duplicates.json").read_text("utf-8")) == {"p7": "p2", "p19": "p2"}
    run(options)
    assert len(seen) == 17
    broken = make(tmp_path / "broken", {"a": b"x", "b": b"x", "c": encoded(noise("c"), "PNG")})
    assert len(run(replace(options, data=broken.path, store=tmp_path / "left"))) == 1
    lines = (tmp_path / "left" / "quarantine.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["image_id"] for line in lines] == ["a", "b"]


def test_small_forms(options: ExtractOptions, tmp_path: Path) -> None:
    plain = run(options)
    small = run(replace(options, store=tmp_path / "small", features="int8"))
    ids = ["p3", "p7", "p0"]
    one, other = plain.gather(ids), small.gather(ids)
    assert np.array_equal(one.boxes, other.boxes)
    error = (one.features.astype(np.float32) - other.features).std()
    assert 0 < error < 0.01 * one.features.astype(np.float32).std()
    with pytest.raises(DataError, match="keeps features"):
        run(replace(options, features="int8"))


def test_parts_are_named_rightly(options: ExtractOptions) -> None:
    for part in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(ConfigError, match="--part"):
            run(replace(options, part=part))
    for wrong in ({"top_classes": -1}, {"ray_workers": -1}):
        with pytest.raises(ConfigError):
            run(replace(options, **wrong))  # type: ignore[arg-type]


def test_a_plan_knows_the_disk(options: ExtractOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iconotext.recipes.plan._start", lambda: None)
    wanted = PlanOptions(options.data, detector="grid", columns=2, rows=2, workers=1, pictures=10)
    found = plan(wanted)
    store = run(options)
    disk = sum(file.stat().st_size for file in store.path.glob("*.arrow"))
    assert found.pictures == 20
    assert abs(found.disk - disk) < 0.35 * disk + 6 * 4096
    assert found.seconds > 0
    assert found.memory > 50e6
    assert 0 <= found.refused <= 0.1
    assert plan(replace(wanted, processes=2)).seconds > 0
    with pytest.raises(ConfigError):
        plan(replace(wanted, pictures=0))


@pytest.mark.parametrize(("count", "wanted"), [(1, 5), (20, 10), (1000, 128), (1001, 1001)])
def test_a_trial_takes_neighbours_from_everywhere(count: int, wanted: int) -> None:
    places = sample(count, wanted)
    assert places == sorted(set(places))
    assert len(places) == min(count, wanted)
    assert places[0] >= 0
    assert places[-1] < count
    together = sum(after - before == 1 for before, after in pairwise(places))
    assert together >= 0.7 * (len(places) - 1)
    assert len(places) < 100 or max(places) - min(places) > 0.7 * count


def bomb(side: int) -> bytes:
    """A PNG of a black square that claims side x side pixels of 48 bits, and holds its first rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0)
    rows = zlib.compress(bytes(min(side, 100) * (1 + 6 * side)), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def hostile() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Pictures that can be used, and such as cannot."""
    plain = noise("plain")
    frames = [noise(f"frame {i}").quantize() for i in range(4)]
    good = {
        "plain": encoded(plain, "JPEG"),
        "wrong extension": encoded(plain, "PNG"),
        "animated": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50),
        "cmyk": encoded(plain.convert("CMYK"), "JPEG"),
        "pixel": encoded(Image.new("RGB", (1, 1), "red"), "PNG"),
        "strip": encoded(Image.new("L", (9000, 1)), "PNG"),
        "palette": encoded(plain.quantize(), "PNG", transparency=0),
        "vast": encoded(Image.new("P", (12_300, 12_300)), "PNG", transparency=0, compress_level=1),
        "deep": encoded(Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20), "PNG"),
    }
    whole = encoded(noise("whole", 640, 480), "JPEG")
    bad = {
        "truncated": whole[: len(whole) // 2],
        "head only": whole[:40],
        "nothing": b"",
        "bomb": bomb(50_000),
        "small bomb": bomb(12_400),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="50000" height="50000"><rect/></svg>',
        "text": b"this is no picture",
        "zeros": bytes(5000),
        "claims": b"\xff\xd8\xff\xe0" + bytes(3000),
        "flipped": whole[:200] + bytes(200) + whole[400:700],
    }
    return good, bad


def test_hostile_pictures_are_converted_or_set_aside(tmp_path: Path) -> None:
    good, bad = hostile()
    make(tmp_path / "data", good | bad)
    measured = (
        "import sys; from iconotext.cli.main import call; code = call(sys.argv[1:]);"
        "from iconotext.core.machine import peak_memory; print(peak_memory()); sys.exit(code)"
    )
    command = ["extract", str(tmp_path / "data"), str(tmp_path / "store"), "--workers", "2", "--batch", "4"]
    ran = subprocess.run([sys.executable, "-c", measured, *command], capture_output=True, text=True, check=True)
    assert int(ran.stdout.split()[-1]) < 2 * GIGABYTE
    store = RegionStore.open(tmp_path / "store")
    lines = (store.path / "quarantine.jsonl").read_text("utf-8").splitlines()
    reasons = {entry["image_id"]: entry["reason"] for entry in map(json.loads, lines)}
    assert set(store.ids) | set(reasons) == set(good | bad)
    assert set(good) <= set(store.ids)
    assert set(bad) - {"flipped"} <= set(reasons)  # A picture with other bytes inside may decode to another picture.
    assert all(reasons.values())
    assert "limit" in reasons["bomb"]
    assert "limit" in reasons["small bomb"]
    assert store.get("pixel").size == (1, 1)
    assert store.get("vast").size == (12_300, 12_300)
