"""Faster R-CNNs of torchvision, with random weights in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import models
from torchvision.models import detection, get_model, get_model_weights, list_models

from iconotext.core.artefacts import TORCHVISION, digest, manifest, place_of
from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.regions import DetectorOptions, Selection, open_detector, open_like, pool
from iconotext.regions.rcnn import RcnnDetector, load_rcnn, published

NAME = "fasterrcnn_mobilenet_v3_large_320_fpn"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = get_model(NAME, weights=None, weights_backbone=None, num_classes=4)
    for buffer in (b for name, b in model.named_buffers() if name.endswith("running_var")):
        buffer.fill_(0.22)  # So that the picture reaches the head through so many random layers.
    torch.nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=30)
    path = tmp_path_factory.mktemp("rcnn") / "own.pth"
    torch.save({"model": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def detector(file: Path) -> RcnnDetector:
    return RcnnDetector(load_rcnn(NAME, file), Selection(5, 12, 0.6), torch.device("cpu"))


def test_regions(detector: RcnnDetector, file: Path, pictures: list[np.ndarray]) -> None:
    print_ = detector.fingerprint
    assert (print_.weights, print_.detector) == (digest([file]), f"torchvision:{NAME}")
    assert "shorter side 320, longer at most 640" in print_.resize
    assert detector.class_names == ("background", "class 1", "class 2", "class 3")
    for picture, found in zip(pictures[:3], detector.detect(pictures[:3]), strict=True):
        height, width = picture.shape[:2]
        assert 5 <= len(found) <= 12
        assert found.features.shape == (len(found), print_.feature_dim)
        assert np.ptp(found.features, axis=0).max() > 1e-3
        assert (np.diff(found.scores) <= 0).all()
        assert np.allclose(found.class_probs.sum(1), 1, atol=1e-5)
        assert found.boxes.min() >= 0
        assert (found.boxes <= np.array([width, height] * 2) * (1 + 1e-5)).all()
        assert (found.attributes == -1).all()


def test_the_box_head_reads_the_final_box(detector: RcnnDetector, pictures: list[np.ndarray]) -> None:
    """The features are what torchvision's own modules say of the boxes."""
    found = detector.detect(pictures[:1])[0]
    model = detector._model
    with torch.inference_mode():
        images, _ = model.transform([torch.from_numpy(pictures[0]).permute(2, 0, 1) / 255])
        maps = model.backbone(images.tensors)
        (high, wide), (height, width) = images.image_sizes[0], pictures[0].shape[:2]
        boxes = torch.from_numpy(found.boxes) * torch.tensor([wide / width, high / height] * 2)
        pooled = model.roi_heads.box_roi_pool(maps, [boxes], images.image_sizes)
        features = model.roi_heads.box_head(pooled)
        probs = model.roi_heads.box_predictor(features)[0].softmax(-1)
    assert np.abs(features.numpy() - found.features).max() < 1e-5
    assert np.abs(probs.numpy() - found.class_probs).max() < 1e-5


def test_own_boxes_given_back_have_the_same_features(
    detector: RcnnDetector, file: Path, pictures: list[np.ndarray]
) -> None:
    found = detector.detect(pictures[:3])
    reader = open_detector("torchvision", DetectorOptions(model=NAME, weights=file, given=True, device="cpu"))
    assert reader.needs_boxes
    again = reader.detect([reader.fit(p, f.boxes) for p, f in zip(pictures, found)])
    for first, second in zip(found, again, strict=True):
        assert np.array_equal(first.boxes, second.boxes)
        assert np.abs(first.features - second.features).max() < 1e-5
        assert np.abs(first.class_probs - second.class_probs).max() < 1e-5
        assert np.array_equal(second.scores, second.class_probs[:, 1:].max(1))
    none = reader.detect([reader.fit(pictures[0], np.zeros((0, 4), np.float32))])[0]
    assert none.features.shape == (0, reader.fingerprint.feature_dim)
    with pytest.raises(DataError, match="needs the boxes"):
        reader.detect(pictures[:1])


def test_a_batch_changes_nothing(
    detector: RcnnDetector, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = [pictures[0], pictures[1], pictures[3]]
    alone = [detector.detect([picture])[0] for picture in mixed]
    monkeypatch.setitem(pool.TOGETHER, "cpu", 4)
    for one, other in zip(alone, detector.detect(mixed), strict=True):
        assert np.abs(one.features - other.features).max() < 1e-4
        assert np.abs(one.boxes - other.boxes).max() < 1e-2


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 40), (3000, 1)])
def test_pictures_at_the_edge_of_the_possible(detector: RcnnDetector, width: int, height: int) -> None:
    picture = np.full((height, width, 3), 90, np.uint8)
    if width < 3000:
        found = detector.detect([picture])[0]
        assert (found.boxes <= (width, height, width, height)).all()
    else:
        with pytest.raises(DataError, match="3000x1 pixels"):
            detector.detect([picture])


def test_it_is_found_again_by_its_fingerprint(
    detector: RcnnDetector, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICONOTEXT_ARTEFACTS", str(tmp_path))
    print_ = detector.fingerprint
    with pytest.raises(MissingPiece) as missing:
        open_like(print_)
    for told in (print_.weights, str(place_of(print_.weights)), NAME):
        assert told in str(missing.value)
    place_of(print_.weights).mkdir()
    (place_of(print_.weights) / "own.pth").symlink_to(file)
    assert open_like(print_, DetectorOptions(device="cpu")).fingerprint == print_
    given = replace(print_, boxes="given, in their order")
    assert open_like(given, DetectorOptions(weights=file, device="cpu")).fingerprint == given


def test_what_is_not_there(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICONOTEXT_ARTEFACTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingPiece) as missing:
        load_rcnn("fasterrcnn_resnet50_fpn", Path("COCO_V1"))
    for told in ("258fb6c6", "167.5 MB", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", str(tmp_path / "258fb6c6")):
        assert told in str(missing.value)
    with pytest.raises(ConfigError, match="maskrcnn_resnet50_fpn"):
        load_rcnn("resnet50", None)
    with pytest.raises(ConfigError, match="COCO_V1"):
        load_rcnn("fasterrcnn_resnet50_fpn", tmp_path / "gone.pth")
    (tmp_path / "bad.pth").write_bytes(b"no tensors")
    with pytest.raises(DataError):
        load_rcnn(NAME, tmp_path / "bad.pth")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="no Faster R-CNN"):
        load_rcnn(NAME, tmp_path / "other.pth")
    with pytest.raises(DataError, match="another model"):
        load_rcnn("fasterrcnn_resnet50_fpn", file)


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return Path.write_text, (Path("pickle_was_executed"), "x")


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(DataError):
        load_rcnn(NAME, tmp_path / "evil.pth")
    assert not (tmp_path / "pickle_was_executed").exists()


def test_the_manifest_says_what_torchvision_says() -> None:
    networks = [n for n in list_models(module=detection) if "rcnn" in n] + list_models(module=models)
    told = {}
    for name in networks:
        known = get_model_weights(name)
        for found in sorted(known, key=lambda each, first=known["DEFAULT"]: each is not first):  # type: ignore[misc]
            told[f"{TORCHVISION}{name} {found.name}"] = published(name, found)
    listed = {name: artefact for name, artefact in manifest().items() if name.startswith(TORCHVISION)}
    assert listed == told
    assert list(listed) == list(told), "the one that torchvision takes by itself is the first of a network"
