"""From a raw picture to a score in one call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from samples import tiny
from torchvision.models import resnet18
from toy_data import make_data, make_words, save_pretrained

import iconotext
from iconotext.core.artefacts import place_of
from iconotext.core.errors import FingerprintError, MissingPiece
from iconotext.core.fingerprint import Fingerprint
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter
from iconotext.recipes.asking import without_labels
from iconotext.recipes.seeing import pack
from iconotext.regions import DetectorOptions, open_detector
from iconotext.regions.resize import Frame
from iconotext.systems import SYSTEMS

LITE = DetectorOptions(backbone="efficientnet-lite:efficientnet-lite0", columns=3, rows=2, frame=Frame(128, 96))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("use") / "picture.png"
    Image.fromarray(pixels.repeat(8, 0).repeat(8, 1)).save(path)
    return path


def make_store(path: Path, fingerprint: Fingerprint) -> RegionStore:
    """Regions of nothing, as a detector of this fingerprint would make them."""
    writer = StoreWriter(path, fingerprint, (), ())
    features = np.zeros((1, fingerprint.feature_dim), np.float16)
    box, one, none = np.array([[0, 0, 8, 8]], np.float32), np.ones(1, np.float32), np.full(1, -1, np.int32)
    row = ImageRegions("x", (8, 8), box, one, features, np.zeros((1, 0), np.float16), none, one * 0)
    writer.write_shard(0, [row])
    return writer.finish()


def make_run(folder: Path, fingerprint: Fingerprint) -> Path:
    """A pre-trained model of random weights that reads such features."""
    store = make_store(folder / "store", fingerprint)
    page = without_labels(tiny(SYSTEMS["uniter"]), store)
    save_pretrained(folder / "run", page, make_words(make_data(folder / "data")), store)
    return folder / "run"


def test_a_picture_in_one_call(picture: Path, tmp_path: Path) -> None:
    detector = open_detector("grid", replace(LITE, device="cpu"))
    model = iconotext.load(make_run(tmp_path, detector.fingerprint))
    (score,) = model.match(picture, "a red dog")
    assert 0 <= score <= 1
    assert len(model.fill(picture, "a [MASK] dog")[0]) == 5
    image = Image.open(picture).convert("RGB")
    found = pack(model.regions([picture]))
    expected = detector.detect([np.asarray(image)])[0]
    assert np.array_equal(found.features, expected.features.astype(np.float16))


def test_missing_weights_are_named(picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICONOTEXT_ARTEFACTS", str(tmp_path / "artefacts"))
    file = tmp_path / "own.pth"
    torch.manual_seed(0)
    torch.save(resnet18(weights=None).state_dict(), file)
    options = replace(LITE, backbone="torchvision:resnet18", weights=file, device="cpu")
    print_ = open_detector("grid", options).fingerprint
    run = make_run(tmp_path, print_)
    with pytest.raises(MissingPiece) as missing:
        iconotext.load(run).match(picture, "a dog")
    for told in ("grid:torchvision:resnet18", print_.weights, str(place_of(print_.weights))):
        assert told in str(missing.value)
    named = iconotext.load(run, detector=DetectorOptions(weights=file, device="cpu")).match(picture, "a dog")
    place_of(print_.weights).mkdir(parents=True)
    file.rename(place_of(print_.weights) / "own.pth")
    assert iconotext.load(run).match(picture, "a dog") == named
    torch.save(resnet18(weights=None).state_dict(), file)
    with pytest.raises(FingerprintError, match="weights"):
        iconotext.load(run, detector=DetectorOptions(weights=file, device="cpu")).match(picture, "a dog")


def test_a_detector_that_is_not_here_is_named(picture: Path, tmp_path: Path) -> None:
    print_ = Fingerprint("yolo-of-old", "ab" * 32, "fc6", "600", "BGR", "36", "float32", 8, 0, 0)
    with pytest.raises(MissingPiece, match=r"yolo-of-old.*abab"):
        iconotext.load(make_run(tmp_path, print_)).match(picture, "a dog")
