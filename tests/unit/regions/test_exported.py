"""A detector of one's own as an ONNX file, made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from iconotext.core.artefacts import digest, place_of
from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.regions import DetectorOptions, Selection, open_detector, open_like

CONTRACT = {"width": 64, "height": 48, "layer": "mean colour", "std": [255, 255, 255], "class_names": ["light", "dark"]}
BOXES = np.array([[0, 0, 32, 24], [32, 0, 64, 24], [0, 24, 32, 48], [32, 24, 64, 48]], np.float32)


def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def quarters(path: Path, **more: Any) -> Path:
    """Four quarters of the picture; the feature of each is its mean colour, and it is light as far as it is red."""
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["means"], kernel_shape=[24, 32], strides=[24, 32]),
        helper.make_node("Reshape", ["means", "flat"], ["table"]),
        helper.make_node("Transpose", ["table"], ["features"], perm=[1, 0]),
        helper.make_node("Gather", ["features", "first"], ["light"], axis=1),
        helper.make_node("Sub", ["one", "light"], ["dark"]),
        helper.make_node("Mul", ["light", "nothing"], ["background"]),
        helper.make_node("Concat", ["background", "light", "dark"], ["class_probs"], axis=1),
        helper.make_node("Identity", ["quarters"], ["boxes"]),
    ]
    held = [
        helper.make_tensor("flat", TensorProto.INT64, [2], [3, 4]),
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("nothing", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("quarters", TensorProto.FLOAT, [4, 4], BOXES.ravel()),
    ]
    outputs = [value("boxes", 4, 4), value("features", 4, 3), value("class_probs", 4, 3)]
    return save(path, nodes, held, [value("pixels", 1, 3, 48, 64)], outputs, more)


def reader(path: Path) -> Path:
    """The mean of each given box by RoIAlign."""
    nodes = [
        helper.make_node("Shape", ["boxes"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"]),
        helper.make_node(
            "ConstantOfShape", ["count"], ["owner"], value=helper.make_tensor("v", TensorProto.INT64, [1], [0])
        ),
        helper.make_node("RoiAlign", ["pixels", "boxes", "owner"], ["crops"], output_height=1, output_width=1),
        helper.make_node("Flatten", ["crops"], ["features"]),
    ]
    held = [helper.make_tensor("zero", TensorProto.INT64, [1], [0])]
    inputs = [value("pixels", 1, 3, 48, 64), value("boxes", "N", 4)]
    return save(path, nodes, held, inputs, [value("features", "N", 3)], {"class_names": []})


def save(path: Path, nodes: Any, held: Any, inputs: Any, outputs: Any, more: dict[str, Any]) -> Path:
    graph = helper.make_graph(nodes, "detector", inputs, outputs, held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    path.with_suffix(".json").write_text(json.dumps(CONTRACT | more), "utf-8")
    return path


def options(path: Path) -> DetectorOptions:
    return DetectorOptions(model=str(path), selection=Selection(1, 4, 0.5), device="cpu")


@pytest.fixture
def picture() -> np.ndarray:
    """Twice as large as the model's input, one red quarter and one half red one."""
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:48, 64:, 0] = 255
    pixels[48:, 64:] = (102, 51, 0)
    return pixels


def test_regions(tmp_path: Path, picture: np.ndarray) -> None:
    detector = open_detector("onnx", options(quarters(tmp_path / "own.onnx")))
    found = detector.detect([picture])[0]
    assert detector.class_names == ("background", "light", "dark")
    # The half red quarter is more dark than light, the others are surely one of both.
    rows = {tuple(box): row for row, box in enumerate(found.boxes.astype(int).tolist())}
    quarter = [rows[box] for box in ((0, 0, 64, 48), (64, 0, 128, 48), (0, 48, 64, 96), (64, 48, 128, 96))]
    assert quarter[3] == 3
    assert np.allclose(found.scores[quarter], [1, 1, 1, 0.6], atol=0.02)
    assert np.allclose(found.features[quarter], [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0.4, 0.2, 0]], atol=0.02)
    assert np.allclose(found.class_probs[quarter].argmax(1), [2, 1, 2, 2])
    print_ = detector.fingerprint
    assert (print_.weights, print_.feature_dim, print_.classes) == (digest([tmp_path / "own.onnx"]), 3, 3)
    assert print_.layer == "mean colour"


def test_colours_and_sizes_as_told(tmp_path: Path, picture: np.ndarray) -> None:
    path = quarters(
        tmp_path / "own.onnx",
        colours="BGR",
        resize="stretch",
        mean=[127.5] * 3,
        std=[127.5] * 3,
        class_names=["a", "b"],
    )
    detector = open_detector("onnx", options(path))
    tall = np.ascontiguousarray(picture.repeat(2, axis=0))
    found = detector.detect([tall])[0]
    red = found.features[[box[:2] == [64, 0] for box in found.boxes.tolist()]][0]
    assert np.allclose(red, [-1, -1, 1], atol=0.02)
    assert detector.fingerprint.colour_order == "BGR"
    assert detector.fingerprint.resize == "stretched to 64x48; (value - [127.5, 127.5, 127.5]) / [127.5, 127.5, 127.5]"


def test_given_boxes_in_their_order(tmp_path: Path, picture: np.ndarray) -> None:
    detector = open_detector("onnx", options(reader(tmp_path / "reader.onnx")))
    assert detector.needs_boxes
    boxes = np.array([[70, 4, 120, 40], [4, 4, 60, 40], [70, 54, 120, 90]], np.float32)
    fitted = detector.fit(picture, boxes)
    found, again = detector.detect([fitted, fitted])
    assert np.array_equal(found.boxes, boxes)
    assert np.allclose(found.features, [[1, 0, 0], [0, 0, 0], [0.4, 0.2, 0]], atol=1e-5)
    assert np.array_equal(found.features, again.features)
    assert found.class_probs.shape == (3, 0)
    with pytest.raises(DataError, match="needs the boxes"):
        detector.detect([picture])


def test_it_is_found_again_by_its_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICONOTEXT_ARTEFACTS", str(tmp_path / "artefacts"))
    path = quarters(tmp_path / "own.onnx")
    print_ = open_detector("onnx", options(path)).fingerprint
    with pytest.raises(MissingPiece, match=r"\.onnx file and its \.json"):
        open_like(print_)
    assert open_like(print_, DetectorOptions(model=str(path))).fingerprint == print_
    place = place_of(print_.weights)
    place.mkdir(parents=True)
    for suffix in (".onnx", ".json"):
        path.with_suffix(suffix).rename(place / f"own{suffix}")
    assert open_like(print_).fingerprint == print_


def test_what_does_not_keep_the_contract(tmp_path: Path, picture: np.ndarray) -> None:
    with pytest.raises(MissingPiece, match="no such ONNX file"):
        open_detector("onnx", options(tmp_path / "gone.onnx"))
    path = quarters(tmp_path / "own.onnx", class_names=["one"])
    with pytest.raises(DataError, match="3 probabilities"):
        open_detector("onnx", options(path)).detect([picture])
    for wrong in ({"colours": "RBG"}, {"unknown": 1}):
        with pytest.raises(DataError, match=r"own\.json"):
            open_detector("onnx", options(quarters(path, **wrong)))
    path.with_suffix(".json").unlink()
    with pytest.raises(MissingPiece, match=r"own\.json"):
        open_detector("onnx", options(path))
    quarters(path)
    path.write_bytes(b"no model")
    with pytest.raises(DataError, match="ONNX Runtime"):
        open_detector("onnx", options(path))
    held = [helper.make_tensor("quarters", TensorProto.FLOAT, [4, 4], BOXES.ravel())]
    nodes = [helper.make_node("Identity", ["quarters"], ["boxes"])]
    save(path, nodes, held, [value("pixels", 1, 3, 48, 64)], [value("boxes", 4, 4)], {})
    with pytest.raises(ConfigError, match="features"):
        open_detector("onnx", options(path))
