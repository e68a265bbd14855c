from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from iconotext.core.errors import ConfigError, DataError, FingerprintError
from iconotext.regions import Detections, DetectorOptions, Selection, fit, open_detector, open_like
from iconotext.regions.given import BoxesDetector
from iconotext.regions.grid import GridDetector
from iconotext.regions.reader import SURROUNDINGS, Reader, surroundings
from iconotext.regions.world import WorldDetector


def same(a: Detections, b: Detections, tolerance: float = 0.0) -> bool:
    return all(
        np.allclose(getattr(a, field.name), getattr(b, field.name), rtol=0, atol=tolerance)
        for field in fields(Detections)
    )


def test_regions_of_the_world_detector(reader: Reader, pictures: list[np.ndarray]) -> None:
    rule = Selection(minimum=10, maximum=20, threshold=0.3)
    detector = WorldDetector(reader, rule)
    for picture, found in zip(pictures, detector.detect(pictures), strict=True):
        height, width = picture.shape[:2]
        assert found.features.shape == (len(found), detector.fingerprint.feature_dim)
        assert found.class_probs.shape == (len(found), len(detector.class_names))
        assert 10 <= len(found) - 1 <= 20
        assert (np.diff(found.scores) <= 0).all()
        assert (found.scores[10:-1] >= 0.3).all()
        assert np.array_equal(found.boxes[-1], [0, 0, width, height])
        assert found.scores[-1] == 0
        told = found.features[:, -SURROUNDINGS:]
        assert not told[:-1].any()
        assert np.array_equal(told[-1], surroundings(fit(picture)))
        assert np.allclose(found.class_probs.sum(axis=1), 1, atol=1e-5)
        sure = found.scores > 0
        assert np.array_equal(found.scores[sure], found.class_probs[sure, 1:].max(axis=1))
        assert found.boxes.min() >= 0
        assert (found.boxes <= np.array([width, height] * 2) * (1 + 1e-5)).all()
        assert set(found.attributes.tolist()) <= {-1, 0, 1}


def test_own_boxes_given_back_are_the_same_regions(reader: Reader, pictures: list[np.ndarray]) -> None:
    found = WorldDetector(reader, Selection()).detect(pictures)
    given = BoxesDetector(reader).detect([fit(p, f.boxes) for p, f in zip(pictures, found)])
    for first, second in zip(found, given, strict=True):
        assert np.array_equal(first.boxes, second.boxes)
        for name in ("features", "class_probs", "attribute_scores"):
            assert np.abs(getattr(first, name) - getattr(second, name)).max() < 1e-5
        assert np.allclose(second.scores, second.class_probs[:, 1:].max(axis=1))


@pytest.mark.parametrize("name", ["world", "grid", "patches", "boxes"])
@pytest.mark.parametrize("together", [1, 4])
def test_no_picture_depends_on_its_neighbours(
    name: str, together: int, weights_file: Path, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iconotext.regions.reader._TOGETHER", {"cpu": together})
    detector = open_detector(name, DetectorOptions(weights=weights_file))
    boxes = np.array([[1, 2, 30, 35], [5, 5, 20, 36]], np.float32)
    fitted = [fit(picture, boxes[: 1 + index % 2]) for index, picture in enumerate(pictures)]
    all_at_once = detector.detect(fitted)
    for index in (4, 0, 2, 1, 3):
        assert same(all_at_once[index], detector.detect(fitted[index : index + 1])[0], 1e-6)


def test_given_boxes_keep_their_order(reader: Reader, pictures: list[np.ndarray]) -> None:
    detector = BoxesDetector(reader)
    boxes = np.array([[100, 20, 150, 90], [3, 4, 60, 50], [0, 0, 256, 192]], np.float32)
    found = detector.detect([fit(pictures[0], boxes)])[0]
    turned = detector.detect([fit(pictures[0], boxes[::-1])])[0]
    assert np.array_equal(found.boxes, boxes)
    assert np.allclose(found.features[::-1], turned.features, atol=1e-6)
    none = detector.detect([fit(pictures[0], boxes[:0]), fit(pictures[1], boxes[:0])])
    assert [regions.features.shape for regions in none] == [(0, 12 + SURROUNDINGS)] * 2
    with pytest.raises(DataError, match="needs the boxes"):
        detector.detect([pictures[0]])


def test_cells_tile_the_picture(reader: Reader, pictures: list[np.ndarray]) -> None:
    detector = GridDetector(reader, columns=5, rows=3)
    for picture, found in zip(pictures, detector.detect(pictures), strict=True):
        height, width = picture.shape[:2]
        assert found.boxes.shape == (15, 4)
        assert np.allclose(found.boxes[0], [0, 0, width / 5, height / 3])
        assert np.allclose(found.boxes[7], np.array([2, 1, 3, 2]) * np.array([width / 5, height / 3] * 2))
        sides = found.boxes[:, 2:] - found.boxes[:, :2]
        assert np.isclose(sides.prod(axis=1).sum(), width * height)
        assert found.class_probs.shape == (15, 0)
        assert (found.attributes == -1).all()
        assert found.features.shape == (15, detector.fingerprint.feature_dim)
        assert np.allclose(found.features.std(axis=1), 1, atol=1e-2)


def test_cells_tell_colours_apart(reader: Reader) -> None:
    picture = np.full((192, 256, 3), 120, np.uint8)
    picture[:96, :128] = (250, 10, 10)
    picture[96:, 128:] = (250, 10, 10)
    features = GridDetector(reader, columns=2, rows=2).detect([picture])[0].features[:, :3]
    assert np.abs(features[0] - features[3]).max() < 0.3
    assert np.abs(features[0] - features[1]).max() > 0.5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("world", DetectorOptions(selection=Selection(12, 30, 0.25))),
        ("grid", DetectorOptions(columns=7, rows=2)),
        ("patches", DetectorOptions(columns=7, rows=2)),
        ("boxes", DetectorOptions()),
    ],
)
def test_a_detector_is_found_again_by_its_fingerprint(name: str, options: DetectorOptions, weights_file: Path) -> None:
    here = DetectorOptions(weights=weights_file, device="cpu")
    print_ = open_detector(name, replace(options, weights=weights_file, device="cpu")).fingerprint
    assert print_.detector == name
    assert print_.colour_order == "RGB"
    assert (print_.classes, print_.attributes) == ((0, 0) if name in ("grid", "patches") else (4, 2))
    assert open_like(print_, here).fingerprint == print_
    with pytest.raises(FingerprintError, match="weights"):
        open_like(replace(print_, weights="0" * 64), here)


def test_fingerprints_tell_detectors_apart(weights_file: Path) -> None:
    plain = DetectorOptions(weights=weights_file)
    options = [plain, replace(plain, selection=Selection(maximum=20), columns=3)]
    names = ("world", "grid", "patches", "boxes")
    prints = {open_detector(name, option).fingerprint for name in names for option in options}
    assert len(prints) == 7


def test_unknown_names(weights_file: Path) -> None:
    with pytest.raises(ConfigError, match="world, grid, patches, boxes"):
        open_detector("faster", DetectorOptions(weights=weights_file))


def test_the_surroundings_tell_the_ground_and_not_one_thing() -> None:
    ground = np.full((192, 256, 3), (40, 160, 60), np.uint8)
    with_thing = ground.copy()
    with_thing[50:120, 60:140] = (220, 30, 30)
    assert np.array_equal(surroundings(fit(ground)), surroundings(fit(with_thing)))
    other = np.full((192, 256, 3), (60, 90, 200), np.uint8)
    assert np.abs(surroundings(fit(ground)) - surroundings(fit(other))).max() > 1
    tall = np.full((400, 20, 3), (40, 160, 60), np.uint8)
    assert np.array_equal(surroundings(fit(ground)), surroundings(fit(tall)))
