from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bottom_up_weights import TINY, filled, hf
from torch.nn.functional import conv2d
from torchvision.ops import box_iou, roi_pool

from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.core.seed import generator
from iconotext.regions import DetectorOptions, Selection, fit, open_detector, open_like
from iconotext.regions.bottom_up import BottomUpDetector, PublishedSelection, load_bottom_up
from iconotext.regions.bottom_up import detector as module
from iconotext.regions.bottom_up.boxes import ProposalRules
from iconotext.regions.bottom_up.detector import prepare, scale_of
from iconotext.regions.bottom_up.network import Bottleneck, NormedConv, Stem
from iconotext.regions.bottom_up.select import confidences, select
from iconotext.regions.detections import Detections
from iconotext.regions.resize import as_it_is

FEW = ProposalRules(before=200, after=24)
CPU = torch.device("cpu")


def noise(name: str, height: int = 60, width: int = 90) -> np.ndarray:
    coarse = generator("bottom-up", name).integers(0, 256, (height // 10 + 1, width // 10 + 1, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(10, 0).repeat(10, 1)[:height, :width])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bottom-up")
    torch.save(filled(hf(TINY)), folder / "published.bin")
    (folder / "objects_vocab.txt").write_text("Yolk\ngoggles\nbathtub,tub\nlamp\ncat\ndog\n", "utf-8")
    return folder / "published.bin"


@pytest.fixture(autouse=True)
def small_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORT", 96)
    monkeypatch.setattr(module, "LONG", 160)


def detector(weights: Path, rule: PublishedSelection, given: bool = False) -> BottomUpDetector:
    return BottomUpDetector(load_bottom_up(weights), rule, CPU, given, FEW)


def test_regions_are_read_as_published(weights: Path) -> None:
    rule = PublishedSelection(3, 12, 0.2)
    found = detector(weights, rule).detect([noise("a")])[0]
    network = load_bottom_up(weights).network
    assert 3 <= len(found) <= 12
    assert found.features.shape == (len(found), 128)
    assert (found.features >= 0).all()
    assert np.allclose(found.class_probs.sum(1), 1, atol=1e-5)
    assert (found.scores <= found.class_probs[:, 1:].max(1) + 1e-7).all()
    with torch.inference_mode():
        maps = network.backbone(prepare(torch.from_numpy(noise("a"))[None], 1.6))
        rois = torch.cat([torch.zeros(len(found), 1), torch.from_numpy(found.boxes) * 1.6], dim=1)
        cells = network.roi_heads.res5(roi_pool(maps, rois, 14, 1 / 16))
        features = cells.mean((2, 3))
        predictor = network.roi_heads.box_predictor
        classes = predictor.cls_score(features)
        named = torch.cat([features, predictor.cls_embedding.weight[classes.argmax(1)]], dim=1)
        attributes = predictor.attr_score(predictor.fc_attr(named).relu()).softmax(1)[:, 1:]
    assert cells.shape[2:] == (14, 14)
    assert np.allclose(found.features, features.numpy(), atol=1e-5)
    assert np.allclose(found.class_probs, classes.softmax(1).numpy(), atol=1e-5)
    assert np.array_equal(found.attributes, attributes.argmax(1).numpy())
    assert np.allclose(found.attribute_scores, attributes.amax(1).numpy(), atol=1e-5)


def test_fixed_and_adaptive_numbers_and_their_order(weights: Path) -> None:
    wide = detector(weights, PublishedSelection(1, 24, 0.0)).detect([noise("b")])[0]
    fixed = detector(weights, PublishedSelection(5, 5)).detect([noise("b")])[0]
    assert len(fixed) == 5
    assert (np.diff(fixed.scores) <= 0).all()
    assert np.allclose(np.sort(wide.scores)[::-1][:5], fixed.scores)
    threshold = float(np.sort(wide.scores)[-8])
    adaptive = detector(weights, PublishedSelection(2, 20, threshold)).detect([noise("b")])[0]
    assert (adaptive.scores >= threshold).all()
    places = [int(np.abs(wide.boxes - box).sum(1).argmin()) for box in adaptive.boxes]
    assert places == sorted(places)


def test_own_boxes_given_back_have_the_same_features(weights: Path) -> None:
    pictures = [noise("a"), noise("c", 71, 47), noise("d", 200, 333)]
    found = detector(weights, PublishedSelection(4, 10)).detect(pictures)
    reader = detector(weights, PublishedSelection(), given=True)
    again = reader.detect([reader.fit(p, f.boxes) for p, f in zip(pictures, found)])
    for first, second in zip(found, again):
        assert np.array_equal(first.boxes, second.boxes)
        for name in ("features", "class_probs", "attribute_scores"):
            assert np.abs(getattr(first, name) - getattr(second, name)).max() < 1e-5
    none = reader.detect([reader.fit(pictures[0], np.zeros((0, 4), np.float32))])[0]
    assert none.features.shape == (0, 128)
    with pytest.raises(DataError, match="needs the boxes"):
        reader.detect([pictures[0]])


def test_no_picture_depends_on_its_neighbours(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iconotext.regions.pool.TOGETHER", {"cpu": 4})
    reader = detector(weights, PublishedSelection(4, 10))
    pictures = [noise("a"), noise("e"), noise("c", 71, 47), noise("f")]
    together = reader.detect(pictures)
    for picture, beside in zip(pictures, together):
        alone = reader.detect([picture])[0]
        assert same(alone, beside)


def same(a: Detections, b: Detections) -> bool:
    return np.allclose(a.boxes, b.boxes, atol=1e-3) and np.abs(a.features - b.features).max() < 1e-4


def test_names_come_from_the_files_beside_the_weights(weights: Path, tmp_path: Path) -> None:
    model = load_bottom_up(weights)
    assert model.classes == ("yolk", "goggles", "bathtub", "lamp", "cat", "dog")
    assert model.attributes == ("attribute 1", "attribute 2", "attribute 3", "attribute 4")
    torch.save(filled(hf(TINY)), tmp_path / "other.bin")
    (tmp_path / "attributes_vocab.txt").write_text("red\nblue\n", "utf-8")
    with pytest.raises(DataError, match="has 2 names, but the weights know 4"):
        load_bottom_up(tmp_path / "other.bin")
    with pytest.raises(MissingPiece):
        load_bottom_up(tmp_path / "none.pth")


def test_a_thin_picture_is_refused(weights: Path) -> None:
    reader = detector(weights, PublishedSelection())
    with pytest.raises(DataError, match="fewer than 16"):
        reader.fit(np.zeros((2, 900, 3), np.uint8))
    (one,) = reader.detect([np.zeros((1, 1, 3), np.uint8)])
    assert one.features.shape[1] == 128


def test_in_the_table(weights: Path) -> None:
    options = DetectorOptions(weights=weights, selection=Selection(5, 9, 0.1), device="cpu")
    found = open_detector("bottom-up", options)
    assert str(PublishedSelection(5, 9, 0.1)) == found.fingerprint.boxes
    assert (found.fingerprint.classes, found.fingerprint.attributes, found.fingerprint.feature_dim) == (7, 4, 128)
    assert open_like(found.fingerprint, DetectorOptions(weights=weights, device="cpu")).fingerprint == found.fingerprint
    given = open_detector("bottom-up", replace(options, given=True))
    assert given.needs_boxes
    with pytest.raises(MissingPiece, match="--weights"):
        open_detector("bottom-up", DetectorOptions(device="cpu"))


def test_the_resize_rule() -> None:
    module.SHORT, module.LONG = 600, 1000
    assert scale_of(640, 480) == 600 / 480
    assert scale_of(500, 1200) == 1000 / 1200
    assert scale_of(600, 1000) == 1
    pixels = torch.tensor([[[10, 20, 30], [20, 40, 60]]], dtype=torch.uint8)[None]
    doubled = prepare(pixels, 2.0)
    # Places of the four columns: -1/4, 1/4, 3/4, 5/4, of which the first and the last are beyond the ends.
    blue = torch.tensor([30.0, 37.5, 52.5, 60.0]) - 102.9801
    red = torch.tensor([10.0, 12.5, 17.5, 20.0]) - 122.7717
    assert doubled.shape == (1, 3, 2, 4)
    assert torch.allclose(doubled[0, 0], blue.expand(2, 4))
    assert torch.allclose(doubled[0, 2], red.expand(2, 4))


def test_confidence_is_by_class() -> None:
    boxes = torch.tensor([[0.0, 0, 99, 99], [0, 0, 99, 94], [200, 200, 300, 300]])
    probs = torch.tensor([[0.1, 0.6, 0.3], [0.1, 0.5, 0.4], [0.7, 0.1, 0.2]])
    # Of the first two, which overlap, each is the better one of a class.
    assert torch.allclose(confidences(boxes, probs, 0.3), torch.tensor([0.6, 0.4, 0.2]))
    assert torch.allclose(confidences(boxes, probs, 0.3, floor=0.35), torch.tensor([0.6, 0.4, 0.0]))
    order, scores = select(boxes, probs, PublishedSelection(1, 3, 0.3))
    assert order.tolist() == [0, 1]
    assert torch.allclose(scores, torch.tensor([0.6, 0.4]))
    assert select(boxes, probs.roll(1, 0), PublishedSelection(3, 3))[0].tolist() == [1, 2, 0]
    assert select(boxes, probs, PublishedSelection(3, 3, 0.5))[0].tolist() == [0, 1, 2]
    assert select(boxes, probs, PublishedSelection(1, 1, 0.1))[0].tolist() == [0]


def test_a_floor_changes_nothing_above_itself() -> None:
    random = torch.Generator().manual_seed(3)
    corner = 300 * torch.rand(120, 2, generator=random)
    boxes = torch.cat([corner, corner + 20 + 100 * torch.rand(120, 2, generator=random)], dim=1)
    probs = (3 * torch.randn(120, 30, generator=random)).softmax(1)
    brute = torch.zeros(120)
    wide = box_iou(boxes + torch.tensor([0.0, 0, 1, 1]), boxes + torch.tensor([0.0, 0, 1, 1]))
    for number in range(1, 30):
        kept: list[int] = []
        for row in probs[:, number].argsort(descending=True, stable=True).tolist():
            if not kept or bool((wide[row, kept] <= 0.3).all()):
                kept.append(row)
                brute[row] = max(float(brute[row]), float(probs[row, number]))
    exact = confidences(boxes, probs, 0.3)
    assert torch.allclose(exact, brute)
    for floor in (0.05, 0.2):
        cut = confidences(boxes, probs, 0.3, floor)
        assert torch.equal(cut[exact >= floor], exact[exact >= floor])


def test_stages_by_hand() -> None:
    stem = Stem(2).eval()
    assert stem(torch.zeros(1, 3, 97, 161)).shape == (1, 2, 24, 40)  # 49 x 81 after the convolution; Caffe rounds up.
    block = Bottleneck(8, 2, stride=2, dilation=1).eval()
    assert (block.conv1.stride, block.conv2.stride) == ((2, 2), (1, 1))
    dilated = Bottleneck(8, 2, stride=1, dilation=2)
    assert (dilated.conv2.dilation, dilated.conv2.padding) == ((2, 2), (2, 2))
    conv = NormedConv(3, 5, 3).eval()
    torch.nn.init.uniform_(conv.norm.running_mean)
    torch.nn.init.uniform_(conv.norm.running_var, 0.5, 1.5)
    x = torch.randn(1, 3, 8, 8)
    by_hand = conv2d(x, conv.weight, padding=1) - conv.norm.running_mean.view(5, 1, 1)
    by_hand = by_hand / (conv.norm.running_var + 1e-5).sqrt().view(5, 1, 1)
    assert torch.allclose(conv(x), by_hand, atol=1e-5)


def test_rules_out_of_range() -> None:
    with pytest.raises(ConfigError):
        PublishedSelection(20, 10)
    assert PublishedSelection.parse(str(PublishedSelection(10, 100, 0.25))) == PublishedSelection(10, 100, 0.25)
    with pytest.raises(ConfigError):
        PublishedSelection.parse("all")
    assert as_it_is(noise("a")).size == fit(noise("a")).size
