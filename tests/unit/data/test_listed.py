from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from iconotext.core.errors import ConfigError, DataError
from iconotext.data.listed import items_of
from iconotext.data.sources.published.corpus import Corpus
from iconotext.recipes.ingest import IngestOptions, SkippedItems, run


def picture(file: Path, shade: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (shade, 0, 0)).save(file)


@pytest.fixture
def options(tmp_path: Path) -> IngestOptions:
    """NLVR2: two pairs in deep folders, of which one lacks a picture; two of the pictures are the same file."""
    rows = [
        {"identifier": "dev-1-0-0", "sentence": "两只狗", "label": "True"},
        {"identifier": "dev-1-0-1", "sentence": "Two dogs \ud800.", "label": "False"},
        {"identifier": "dev-2-0-0", "sentence": "A cat.", "label": "False"},
        {"identifier": "test1-2-0-0", "sentence": "A cat."},
    ]
    for name in ("dev", "test1"):
        lines = [json.dumps(row) for row in rows if row["identifier"].startswith(name)]
        (tmp_path / "nlvr2").mkdir(exist_ok=True)
        (tmp_path / "nlvr2" / f"{name}.json").write_text("\n".join(lines), "utf-8")
    for name in ("dev-1-0-img0", "dev-1-0-img1", "dev-2-0-img0", "test1-2-0-img0", "test1-2-0-img1"):
        picture(tmp_path / "pictures" / "images" / name[:5] / f"{name}.png", shade=name.startswith("test"))
    return IngestOptions(tmp_path / "nlvr2", tmp_path / "out", format="nlvr2", images=tmp_path / "pictures", shard=2)


def test_rows_follow_the_pictures_that_are_there(options: IngestOptions) -> None:
    data = run(options)
    assert data.table("statements", "validation").to_pylist() == [
        {
            "statement_id": f"dev-1-0-{number}",
            "left_image": "dev-1-0-img0",
            "right_image": "dev-1-0-img1",
            "text": text,
            "label": label,
            "language": language,
        }
        for number, (text, label, language) in enumerate([("两只狗", True, "zh"), ("Two dogs ?.", False, "en")])
    ]
    assert data.table("statements", "test")["label"].to_pylist() == [None]
    assert (data.image_ids("validation"), data.info["languages"]) == (
        ["dev-1-0-img0", "dev-1-0-img1", "dev-2-0-img0"],
        ["en", "zh"],
    )
    report = json.loads((data.path / "report.json").read_text("utf-8"))
    assert report["rows"] == {"statements": {"kept": 3, "without picture": 1}}
    assert [row["image_id"] for row in report["rows_without_picture"]] == ["dev-2-0-img1"]
    text = (data.path / "report.txt").read_text("utf-8")
    assert "statements: 3 kept, 1 without their picture" in text
    assert "dev.json line 3: statements of picture dev-2-0-img1" in text


def test_the_same_again_makes_the_same(options: IngestOptions) -> None:
    first = run(options)
    assert run(options).fingerprint == first.fingerprint
    again = run(replace(options, out=options.out.with_name("again"), shard=1, workers=1))
    assert again.table("statements", "validation").equals(first.table("statements", "validation"))
    with pytest.raises(DataError, match="made in another way"):
        run(replace(options, language="fr"))


def test_strict_makes_nothing_while_a_picture_is_missing(options: IngestOptions) -> None:
    with pytest.raises(SkippedItems):
        run(replace(options, strict=True))
    assert not list(options.out.glob("*/*.parquet"))
    picture(options.images / "dev-2-0-img1.jpg")  # type: ignore[operator]
    data = run(replace(options, strict=True))
    assert data.info["splits"]["validation"] == {"images": 4, "statements": 3}


def test_a_name_in_folders_is_not_taken_for_another(tmp_path: Path) -> None:
    for name in ("b/1.jpg", "deep/2.png", "3.jpeg", "a/4.jpg"):
        picture(tmp_path / name)
    corpus = Corpus()
    for image, names in {"1": ("a/1.jpg",), "2": ("2.jpg",), "3": ("x.jpg", "3"), "4": ("a/4.jpg",)}.items():
        corpus.picture(image, "test", *names)
    found = [item.file.relative_to(tmp_path).as_posix() for item in items_of(corpus, tmp_path)]
    assert found == ["a/1.jpg", "deep/2.png", "3.jpeg", "a/4.jpg"]


def test_options_that_do_not_go_together_are_refused(options: IngestOptions, tmp_path: Path) -> None:
    for wrong in (replace(options, format=None), replace(options, table=tmp_path / "t.csv")):
        with pytest.raises(ConfigError):
            run(wrong)
    with pytest.raises(DataError, match="--images"):
        run(replace(options, images=tmp_path / "nowhere"))


def test_boxes_go_with_pictures_that_are_scaled_down(tmp_path: Path) -> None:
    instances = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 2000, "height": 500}],
        "categories": [{"id": 5, "name": "cat"}],
        "annotations": [{"id": i, "image_id": 1, "bbox": [200, 100, 1000, 50], "category_id": 5} for i in (1, 2)],
    }
    (tmp_path / "instances_val2017.json").write_text(json.dumps(instances), "utf-8")
    Image.new("RGB", (2000, 500)).save(tmp_path / "1.jpg")
    data = run(IngestOptions(tmp_path, tmp_path / "out", format="coco_instances", max_side=1000))
    assert data.image("1").size == (1000, 250)
    assert data.table("objects", "validation")["boxes"].to_pylist() == [[[100, 50, 600, 75]] * 2]
    assert json.loads((data.path / "classes.json").read_text("utf-8"))["classes"] == ["cat"]
