"""Features without the pixels of hidden regions: nothing visible changes with what is hidden."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from iconotext.core.batch import Batch
from iconotext.core.errors import FingerprintError
from iconotext.core.seed import generator
from iconotext.core.vocab import Vocab
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.store import RegionStore
from iconotext.data.words import TokenTable
from iconotext.objectives.base import Corrupted
from iconotext.objectives.masking import hide
from iconotext.recipes.extract import run
from iconotext.recipes.flags import ExtractOptions
from iconotext.recipes.material import seating
from iconotext.recipes.retake import Retake
from iconotext.regions import weights
from iconotext.regions.network import Network, NetworkShape
from iconotext.systems.vl_bert import VL_BERT

IMAGES = ["train-0", "train-1", "train-2"]
BOXES = [[10, 20, 90, 100], [60, 50, 180, 140], [150, 100, 250, 190]]


def picture(name: str, hidden: str = "") -> np.ndarray:
    """Coarse noise; under the first box that of ``hidden``."""
    coarse = generator(name).integers(0, 256, (24, 32, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    left, top, right, bottom = BOXES[0]
    if hidden:
        coarse[top:bottom, left:right] = generator(hidden).integers(0, 256, (bottom - top, right - left, 3), np.uint8)
    return coarse


def make_data(path: Path, hidden: str = "") -> DataSet:
    writer = DataSetWriter(path, "toy", {"command": "test", "hidden": hidden}, ["en"])
    files = []
    for name in IMAGES:
        out = io.BytesIO()
        Image.fromarray(picture(name, hidden)).save(out, "PNG")
        files.append({"bytes": out.getvalue(), "path": "x.png"})
    sizes = {"width": [256] * 3, "height": [192] * 3}
    writer.write("images", "train", 0, {"image_id": IMAGES, **sizes, "image": files})
    rest = {"classes": [[0] * 3] * 3, "colours": [[-1] * 3] * 3, "sizes": [["big"] * 3] * 3}
    writer.write("objects", "train", 0, {"image_id": IMAGES, "boxes": [BOXES] * 3, **rest})
    return writer.finish()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RegionStore:
    folder = tmp_path_factory.mktemp("retake")
    make_data(folder / "data")
    return run(ExtractOptions(folder / "data", folder / "store", "boxes", workers=1))


def clean(store: RegionStore) -> Batch:
    seats = seating(VL_BERT, Vocab(size=50, pad=0, unknown=1, begin=2, separator=3, mask=4, first=5))
    none = np.zeros(0, np.int32)
    tokens = TokenTable(none, none, np.zeros(4, np.int64))
    return seats.batch(tokens, store.gather(IMAGES), np.ones(3, np.bool_), np.arange(3))


def hidden(batch: Batch, *positions: int) -> Corrupted:
    mark = torch.zeros_like(batch.region.masked)
    mark[list(positions)] = True
    return Corrupted(dataclasses.replace(batch, region=hide(batch.region, mark)))


def test_what_overlaps_a_hidden_region_is_made_without_it(tmp_path: Path, store: RegionStore) -> None:
    batch = clean(store)  # the whole image, then three regions, of each picture
    found = []
    for name in ("", "other"):
        data = make_data(tmp_path / f"data{name}", name)
        found.append(Retake.of(data, store, None)(hidden(batch, 1, 5), IMAGES).batch.region)
    one, other = found
    assert torch.equal(one.features[:8], other.features[:8])  # the pixels of the first box say nothing
    second = one.features[2]
    assert (second - batch.region.features[2]).abs().max() > 1e-3  # it overlapped the hidden one
    assert not one.features[[1, 5]].any()
    torch.testing.assert_close(one.features[0], one.features[2:4].mean(0))
    assert torch.equal(one.features[8:], batch.region.features[8:])  # nothing is hidden in the third picture
    assert torch.equal(one.masked, hidden(batch, 1, 5).batch.region.masked)


def test_a_batch_with_nothing_hidden_is_left_as_it_is(tmp_path: Path, store: RegionStore) -> None:
    batch = Corrupted(clean(store))
    assert Retake.of(make_data(tmp_path / "data"), store, None)(batch, IMAGES) is batch


def test_features_of_another_detector_are_refused(tmp_path: Path, store: RegionStore) -> None:
    network = Network(NetworkShape(3, 2, widths=(4, 6, 8, 8), joint=8, box_width=8, feature=12, pooled=3))
    path = tmp_path / "tiny.safetensors"
    weights.save(path, network, ("cat", "dog", "bird"), ("red", "blue"), {"command": "made for a test"})
    with pytest.raises(FingerprintError, match="--weights"):
        Retake.of(make_data(tmp_path / "data"), store, path)
