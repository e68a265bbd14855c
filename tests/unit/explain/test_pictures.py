from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image
from report_folder import write_store

from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.explain.pictures import Pictures, image


def inside(markup: str) -> Image.Image:
    found = re.search(r'src="data:image/jpeg;base64,([^"]+)"', markup)
    assert found
    return Image.open(io.BytesIO(base64.b64decode(found[1])))


def test_a_picture_holds_itself(data: DataSet) -> None:
    markup = Pictures(data, None).show("p1", 64, 'a "red" box')
    assert inside(markup).size == (64, 48)
    assert 'alt="a &quot;red&quot; box"' in markup
    assert inside(Pictures(data, None).show("p1", 500)).size == (128, 96)


def test_a_tall_picture_stays_small(monkeypatch) -> None:
    pictures = Pictures(None, None)
    monkeypatch.setattr(pictures, "picture", lambda _: Image.new("RGB", (10, 4000)))
    assert inside(pictures.show("p", 100)).height <= 200
    assert inside(image(Image.new("RGBA", (4, 4)), "")).mode == "RGB"


def test_a_lost_picture_leaves_a_frame_and_is_counted(data: DataSet) -> None:
    pictures = Pictures(data, None)
    assert "gone&lt; is not here" in pictures.show("gone<", 64)
    assert pictures.lost == ["gone<"]
    assert "p1 is not here" in Pictures(None, None).show("p1", 64)


def test_regions_have_labels_attributes_and_scores(data: DataSet, store: RegionStore) -> None:
    pictures = Pictures(data, store)
    markup, shown, others = pictures.with_regions("p0", 256, 0.2)
    assert [(region.attribute, region.label) for region in shown] == [("red", "car"), ("", "tree")]
    assert [round(region.score, 2) for region in shown] == [0.99, 0.8]
    assert others == 1
    drawn, plain = np.asarray(inside(markup)).astype(int), np.asarray(data.image("p0").resize((256, 192))).astype(int)
    edge = np.abs(drawn - plain).sum(-1)[90:150, 138:144].max(1)
    assert (edge > 100).all()


def test_regions_of_a_detector_without_classes(data: DataSet, tmp_path: Path) -> None:
    plain = write_store(tmp_path / "grid", data, names=())
    _, shown, _ = Pictures(data, plain).with_regions("p0", 256, 0.2)
    assert [region.label for region in shown] == ["", ""]


def test_without_a_store_there_are_no_regions(data: DataSet) -> None:
    assert Pictures(data, None).regions("p0") == []
