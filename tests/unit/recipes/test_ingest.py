from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iconotext.core.errors import ConfigError, DataError
from iconotext.core.seed import generator
from iconotext.data.records import DataSet
from iconotext.recipes.ingest import IngestOptions, SkippedItems, run

MODES = {"jpg": "RGB", "png": "RGB", "webp": "RGB", "gif": "P", "bmp": "RGB", "tif": "L", "jp2": "RGB", "avif": "RGB"}


def picture(name: str, mode: str = "RGB", size: tuple[int, int] = (24, 16), **options: object) -> bytes:
    noise = generator(name).integers(0, 256, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(name.split(".")[-1], name.split(".")[-1].upper())
    Image.fromarray(noise).convert(mode).save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.fixture
def fifty(tmp_path: Path) -> Path:
    """50 pictures: many formats and modes, 5 broken, 2 twice, 3 without text, a Chinese text, one of 6000 pixels."""
    folder = tmp_path / "mine"
    (folder / "more").mkdir(parents=True)

    def put(name: str, data: bytes, text: str | None = "a cat\na sleeping cat") -> None:
        (folder / name).write_bytes(data)
        if text is not None:
            (folder / name).with_suffix(".txt").write_text(text, "utf-8")

    for number in range(24):
        suffix, mode = list(MODES.items())[number % len(MODES)]
        put(f"plain{number:02d}.{suffix}", picture(f"plain{number:02d}.{suffix}", mode))
    for number in range(10):
        put(f"more/jpeg{number}.jpg", picture(f"jpeg{number}.jpg"))
    put("alpha.png", picture("alpha.png", "RGBA"))
    put("grey.jpg", picture("grey.jpg", "L"))
    put("sixteen.png", picture("sixteen.png", "I;16"))
    put(
        "turned.jpg",
        picture("turned.jpg", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    )
    put("wide.jpg", picture("wide.jpg", size=(6000, 40)))
    put("chinese.png", picture("chinese.png"), "一只猫在草地上\n")
    put("broken1.jpg", picture("broken1.jpg")[:200])
    put("broken2.png", picture("broken2.png")[:-30])
    put("broken3.gif", b"")
    put("broken4.jpg", b"<html>404</html>")
    put("broken5.webp", picture("broken5.webp")[:60])
    put("twice1.jpg", picture("jpeg1.jpg"), "the same again")
    put("twice2.png", picture("plain01.png"))
    put("silent1.jpg", picture("silent1.jpg"), None)
    put("silent2.jpg", picture("silent2.jpg"), "")
    put("silent3.jpg", picture("silent3.jpg"), " \n\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_fifty_pictures_of_all_kinds(fifty: Path, tmp_path: Path) -> None:
    data = run(IngestOptions(fifty, tmp_path / "out", shard=20))
    report = json.loads((data.path / "report.json").read_text("utf-8"))
    skipped = {(entry["item"], entry["reason"]): entry["detail"] for entry in report.pop("skipped_items")}
    assert report == {
        "items": 50,
        "images": 40,
        "texts": 78,
        "languages": ["en", "zh"],
        "splits": {split: counts["images"] for split, counts in data.info["splits"].items()},
        "stored": {"as given": 17, "converted": 22, "scaled": 1},
        "skipped": 10,
        "reasons": {
            "unusable entry": 0,
            "missing": 0,
            "no text": 3,
            "unreadable": 5,
            "duplicate": 2,
            "same id": 0,
        },
    }
    assert set(skipped) == {
        *((f"silent{n}.jpg", "no text") for n in (1, 2, 3)),
        *(
            (name, "unreadable")
            for name in ("broken1.jpg", "broken2.png", "broken3.gif", "broken4.jpg", "broken5.webp")
        ),
        ("more/jpeg1.jpg", "duplicate"),
        ("twice2.png", "duplicate"),
    }
    assert skipped["twice2.png", "duplicate"] == "the same file as plain01.png"
    text = (data.path / "report.txt").read_text("utf-8")
    assert text.startswith("50 items: 40 pictures with 78 texts kept, 10 skipped\n")
    assert all(f"  {name}: {detail}\n" in text for (name, _), detail in skipped.items())

    tables = [(data.table("images", split), data.table("texts", split)) for split in data.splits]
    rows = {row["image_id"]: row for images, _ in tables for row in images.to_pylist()}
    assert len(rows) == 40
    for image_id, row in rows.items():
        stored = Image.open(io.BytesIO(row["image"]["bytes"]))
        assert (stored.mode, stored.format in ("JPEG", "PNG")) == ("RGB", True)
        assert stored.size == (row["width"], row["height"]) == data.image(image_id).size
    assert (rows["wide.jpg"]["width"], rows["wide.jpg"]["height"]) == (1333, 9)
    assert (rows["turned.jpg"]["width"], rows["turned.jpg"]["height"]) == (16, 24)
    assert rows["more/jpeg2.jpg"]["image"] == {"bytes": picture("jpeg2.jpg"), "path": "jpeg2.jpg"}
    assert rows["plain02.webp"]["image"]["path"] == "plain02.jpg"
    chinese = [row for _, texts in tables for row in texts.to_pylist() if row["image_id"] == "chinese.png"]
    assert chinese == [
        {
            "text_id": "chinese.png#0",
            "image_id": "chinese.png",
            "text": "一只猫在草地上",
            "language": "zh",
            "kind": "",
            "matched": True,
        }
    ]
    assert data.info["languages"] == ["en", "zh"]
    assert not (data.path / ".making").exists()


def test_strict_lists_everything_and_makes_nothing(fifty: Path, tmp_path: Path) -> None:
    options = IngestOptions(fifty, tmp_path / "out", strict=True)
    with pytest.raises(SkippedItems, match=r"10 of 50 items cannot be used: see .*report\.txt") as caught:
        run(options)
    assert caught.value.exit_code == 1
    assert sorted(contents(tmp_path / "out")) == ["report.json", "report.txt"]
    for entry in json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))["skipped_items"]:
        (fifty / entry["item"]).unlink()
        (fifty / entry["item"]).with_suffix(".txt").unlink(missing_ok=True)
    assert sum(counts["images"] for counts in run(options).info["splits"].values()) == 40


def test_nothing_usable_is_an_error_that_names_the_report(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "in" / "a.txt").write_text("text")
    with pytest.raises(DataError, match=r"1 of 1 items cannot be used: see .*report\.txt"):
        run(IngestOptions(tmp_path / "in", tmp_path / "out"))
    assert "a.jpg: not a picture" in (tmp_path / "out" / "report.txt").read_text()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """40 pictures and a table of them with ids, splits and two texts a row."""
    folder = tmp_path / "shop"
    folder.mkdir()
    lines = ["sku,file,title,colour,part"]
    for number in range(40):
        (folder / f"{number}.png").write_bytes(picture(f"shop{number}.png", size=(100, 75)))
        lines.append(f"sku{number % 39},{number}.png,thing {number},rouge,{('train', 'val', 'test')[number % 3]}")
    lines.append("sku99,lost.png,lost,vert,train")
    (folder / "table.csv").write_text("\n".join(lines))
    return folder


def options_of(shop: Path, out: Path) -> IngestOptions:
    columns = {"image_column": "file", "text_column": ("title", "colour"), "id_column": "sku", "split_column": "part"}
    return IngestOptions(shop, out, shop / "table.csv", language="fr", shard=4, **columns)  # type: ignore[arg-type]


def test_a_table_with_ids_splits_and_two_texts_a_row(shop: Path, tmp_path: Path) -> None:
    data = run(options_of(shop, tmp_path / "out"))
    assert data.splits == ("train", "validation", "test")
    assert data.image_ids("train")[:3] == ["sku0", "sku3", "sku6"]
    texts = data.table("texts", "validation").to_pylist()
    assert [(row["text_id"], row["text"], row["language"]) for row in texts[:2]] == [
        ("sku1#0", "thing 1", "fr"),
        ("sku1#1", "rouge", "fr"),
    ]
    skipped = json.loads((data.path / "report.json").read_text("utf-8"))["skipped_items"]
    assert [(entry["item"], entry["reason"]) for entry in skipped] == [("lost.png", "missing"), ("39.png", "same id")]


def test_shares_of_the_splits_follow_the_ids_only(shop: Path, tmp_path: Path) -> None:
    options = replace(options_of(shop, tmp_path / "one"), split_column="", split=(0.5, 0.25, 0.25))
    one = run(options)
    counts = [len(one.image_ids(split)) for split in one.splits]
    assert sum(counts) == 39
    assert 10 <= counts[0] <= 30
    (shop / "1.png").unlink()
    other = run(replace(options, out=tmp_path / "other", shard=7))
    for split in one.splits:
        assert set(one.image_ids(split)) - {"sku1"} == set(other.image_ids(split))


def test_what_is_made_again_is_not_made_again_and_other_input_is_refused(shop: Path, tmp_path: Path) -> None:
    options = options_of(shop, tmp_path / "out")
    first = contents(run(options).path)
    begun = time.time_ns()
    assert contents(run(replace(options, workers=3)).path) == first
    assert all(file.stat().st_mtime_ns < begun for file in (tmp_path / "out").rglob("*.*"))
    assert contents(run(replace(options, out=tmp_path / "again", workers=2)).path) == first
    (shop / "3.png").write_bytes(picture("other.png"))
    for changed in (options, replace(options, max_side=99)):
        with pytest.raises(DataError, match="made in another way"):
            run(changed)


@pytest.mark.parametrize(
    "change",
    [{"split": (0.5, 0.5, 0.5)}, {"split": (1.5, -0.5, 0.0)}, {"max_side": 0}, {"shard": 0}, {"workers": -1}],
)
def test_options_out_of_range_are_refused(shop: Path, tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        run(replace(options_of(shop, tmp_path / "out"), **change))  # type: ignore[arg-type]


def test_killed_at_any_moment_it_ends_with_the_same_bytes(shop: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    wanted = contents(run(options_of(shop, tmp_path / "once")).path)
    whole = time.monotonic() - begun
    killed = 0
    for moment in generator("moments").uniform(0, 1.1, 5):
        options = options_of(shop, tmp_path / f"{moment:.6f}")
        killed += run_and_kill(options, moment * whole)
        run_and_kill(options, moment * whole / 2)
        assert contents(run(options).path) == wanted
        assert DataSet.open(options.out).fingerprint == json.loads(wanted["dataset.json"])["fingerprint"]
    assert killed > 0


def run_and_kill(options: IngestOptions, after: float) -> bool:
    """Run in another process, which is killed after some seconds unless it is done; whether it was."""
    process = multiprocessing.get_context("fork").Process(target=run, args=(options,))
    process.start()
    process.join(after)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def test_stopped_at_any_write_it_ends_with_the_same_bytes(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: None)
    whole = replace(options_of(shop, tmp_path / "once"), shard=21)
    wanted = contents(run(whole).path)
    for stop in range(100):
        options = replace(whole, out=tmp_path / f"stopped{stop}")
        monkeypatch.setattr(Path, "replace", failing_after(stop, rename))
        try:
            run(options)
        except Stop:
            monkeypatch.setattr(Path, "replace", rename)
            assert contents(run(options).path) == wanted
        else:
            break
    # The note of what is made, two shards with journals, two reports, the card, dataset.json.
    assert stop == 1 + 2 * (3 * 2 + 1) + 4


class Stop(BaseException):
    """What stands in for a kill."""


def failing_after(calls: int, function: Callable[..., object]) -> Callable[..., object]:
    left: Iterator[int] = iter(range(calls))

    def call(*arguments: object) -> object:
        if next(left, None) is None:
            raise Stop
        return function(*arguments)

    return call
