"""Grids, patches and given boxes by networks that only look; EfficientNet-Lite with its real weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision import models

from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.regions import DetectorOptions, open_detector, open_like, pool
from iconotext.regions.resize import Frame
from iconotext.regions.visual import load_visual
from iconotext.world.scene import load_kinds
from iconotext.world.sprites import Sprites, colours_of

LITE = "efficientnet-lite:efficientnet-lite0"


def options(**more: Any) -> DetectorOptions:
    return DetectorOptions(
        **{"backbone": LITE, "columns": 4, "rows": 3, "frame": Frame(256, 192), "device": "cpu"} | more
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights of networks of other sources."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("backbones")
    made = {
        "torchvision:resnet18": models.resnet18(weights=None),
        "torchvision:mobilenet_v3_small": models.mobilenet_v3_small(weights=None),
        "timm:efficientnet_lite0": timm.create_model("efficientnet_lite0"),
        "timm:vit_tiny_patch16_224": timm.create_model("vit_tiny_patch16_224"),
    }
    paths = {}
    for number, (name, network) in enumerate(made.items()):
        paths[name] = folder / f"{number}.pth"
        torch.save(network.state_dict(), paths[name])
    return paths


@pytest.mark.parametrize("kind", ["grid", "patches", "boxes"])
def test_a_batch_changes_nothing(kind: str, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    detector = open_detector(kind, options())
    boxes = np.array([[1, 2, 30, 35], [5, 5, 20, 36]], np.float32)
    fitted = [detector.fit(picture, boxes[: 1 + index % 2]) for index, picture in enumerate(pictures)]
    alone = [detector.detect([picture])[0] for picture in fitted]
    monkeypatch.setitem(pool.TOGETHER, "cpu", 3)
    for one, other in zip(alone, detector.detect(fitted), strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.abs(one.features - other.features).max() < 1e-4


@pytest.mark.parametrize("kind", ["grid", "patches", "boxes"])
def test_it_is_found_again_by_its_fingerprint(kind: str) -> None:
    print_ = open_detector(kind, options()).fingerprint
    assert print_.detector == f"{kind}:{LITE}"
    assert print_.weights.startswith("57934424")
    assert open_like(print_, DetectorOptions(device="cpu")).fingerprint == print_


def test_cells_given_as_boxes_have_the_same_features(pictures: list[np.ndarray]) -> None:
    grid, boxes = open_detector("grid", options()), open_detector("boxes", options())
    found = grid.detect(pictures)
    again = boxes.detect([boxes.fit(p, f.boxes) for p, f in zip(pictures, found)])
    for first, second in zip(found, again, strict=True):
        assert first.boxes.shape == (12, 4)
        assert np.abs(first.features - second.features).max() < 1e-5
    with pytest.raises(DataError, match="needs the boxes"):
        boxes.detect(pictures[:1])


def test_a_box_over_everything_is_the_mean_of_the_map() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (192, 256, 3), dtype=np.uint8)
    detector = open_detector("boxes", options())
    found = detector.detect([detector.fit(picture, np.array([[0, 0, 256, 192]], np.float32))])[0]
    patches = open_detector("patches", options(columns=8, rows=6)).detect([picture])[0]
    assert patches.boxes[9].tolist() == [32, 32, 64, 64]
    assert np.abs(found.features[0] - patches.features.mean(0)).max() < 1e-4


@pytest.mark.parametrize(
    ("name", "width", "stride"),
    [
        ("torchvision:resnet18", 512, 32),
        ("torchvision:mobilenet_v3_small", 576, 32),
        ("timm:efficientnet_lite0", 320, 32),
        ("timm:vit_tiny_patch16_224", 192, 16),
    ],
)
def test_networks_of_other_sources(
    name: str, width: int, stride: int, files: dict[str, Path], pictures: list[np.ndarray]
) -> None:
    visual = load_visual(name, files[name])
    assert (visual.width, visual.stride) == (width, stride)
    for kind in ("grid", "patches"):
        detector = open_detector(kind, options(backbone=name, weights=files[name]))
        for found in detector.detect(pictures[:2]):
            assert found.features.shape == (12, width)
            assert np.isfinite(found.features).all()
        assert open_like(detector.fingerprint, options(weights=files[name])).fingerprint == detector.fingerprint


def test_a_layer_can_be_named(files: dict[str, Path]) -> None:
    name = "torchvision:resnet18"
    assert load_visual(name, files[name], "layer3").width == 256
    assert load_visual("timm:efficientnet_lite0", files["timm:efficientnet_lite0"], "2").width == 40
    with pytest.raises(ConfigError, match="layer1, layer2"):
        load_visual(name, files[name], "layer9")
    with pytest.raises(ConfigError, match="number of a stage"):
        load_visual("timm:efficientnet_lite0", files["timm:efficientnet_lite0"], "blocks")


def test_what_is_not_there(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ICONOTEXT_ARTEFACTS", "TORCH_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(MissingPiece, match=r"resnet50-11ad3fa6\.pth"):
        load_visual("torchvision:resnet50")
    with pytest.raises(MissingPiece, match="--weights"):
        load_visual("timm:resnet18")
    with pytest.raises(ConfigError, match="efficientnet-lite0"):
        load_visual("efficientnet-lite:efficientnet-lite7")
    with pytest.raises(ConfigError, match="SOURCE:NETWORK"):
        load_visual("resnet50")
    with pytest.raises(ConfigError, match="no network"):
        load_visual("timm:nothing")
    with pytest.raises(DataError, match="another model"):
        load_visual("torchvision:resnet18", files["timm:efficientnet_lite0"])


def looks(side: int, corner: tuple[int, int], ground: int) -> np.ndarray:
    """The features of ten drawings, so large, there, on grey of that lightness, each of length 1."""
    detector, sprites = open_detector("boxes", options()), Sprites()
    features = []
    for kind in range(0, 60, 6):
        drawing = sprites.get(kind, colours_of(load_kinds()[kind])[0], 0).convert("RGBA").resize((side, side))
        scene = Image.new("RGB", (256, 192), (ground, ground, ground))
        scene.paste(drawing, corner, drawing)
        box = np.array([[*corner, corner[0] + side, corner[1] + side]], np.float32)
        features.append(detector.detect([detector.fit(np.asarray(scene), box)])[0].features[0])
    stacked = np.stack(features)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


def test_real_weights_know_a_thing_again() -> None:
    """A drawing is nearest to itself among others, though it is larger, elsewhere and on another ground."""
    nearest = (looks(80, (20, 30), 200) @ looks(110, (120, 60), 140).T).argmax(1)
    assert (nearest == np.arange(len(nearest))).sum() >= 9
