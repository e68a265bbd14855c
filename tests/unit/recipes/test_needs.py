"""What a command needs and has not is told from its flags, before PyTorch is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from iconotext.core.artefacts import manifest
from iconotext.core.errors import MissingPiece
from iconotext.recipes.needs import require_detector, require_model

RESNET = manifest()["torchvision:resnet50 IMAGENET1K_V1"]
CALLED = """
import sys
from iconotext.cli.main import call
status = call(sys.argv[1:])
print("torch" in sys.modules, file=sys.stdout)
sys.exit(status)
"""


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("ICONOTEXT_ARTEFACTS", "TORCH_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "model", "weights", "backbone", "told"),
    [
        ("bottom-up", "", None, "", "frcnn-vg-finetuned"),
        ("bottom-up", "", "gone.bin", "", r"gone\.bin: no such weights file"),
        ("torchvision", "fasterrcnn_resnet50_fpn_v2", None, "", "sha256 dd69338a"),
        ("torchvision", "fasterrcnn_resnet50_fpn", "COCO_V1", "", "sha256 258fb6c6"),
        ("torchvision", "fasterrcnn_resnet50_fpn", "gone.pth", "", "no such weights file"),
        ("grid", "", None, "torchvision:resnet50", "sha256 11ad3fa6"),
        ("boxes", "", "IMAGENET1K_V1", "torchvision:resnet50", "sha256 0676ba61"),
        ("patches", "", None, "timm:resnet18", "--weights FILE"),
        ("transformers", "them/detr", None, "", "hf download them/detr"),
        ("onnx", "own.onnx", None, "", r"own\.onnx: no such file"),
        ("world", "", "own.safetensors", "", "no such weights file"),
    ],
)
def test_what_is_not_here_is_named(name: str, model: str, weights: str | None, backbone: str, told: str) -> None:
    with pytest.raises(MissingPiece, match=told):
        require_detector(name, model, Path(weights) if weights else None, backbone)


def test_what_is_here_or_cannot_be_told_passes(tmp_path: Path) -> None:
    for name in ("world", "grid", "patches", "boxes"):
        require_detector(name, "", None, "")
    require_detector("grid", "", None, "efficientnet-lite:efficientnet-lite0")
    for file in ("own.pth", "own.safetensors", "own.json", "own.onnx"):
        (tmp_path / file).touch()
    require_detector("bottom-up", "", tmp_path / "own.pth", "")
    require_detector("torchvision", "fasterrcnn_resnet50_fpn", tmp_path / "own.pth", "")
    require_detector("grid", "", tmp_path / "own.pth", "torchvision:resnet50")
    require_detector("world", "", tmp_path / "own.safetensors", "")
    require_detector("transformers", str(tmp_path), None, "")
    require_detector("onnx", str(tmp_path / "own.onnx"), None, "")
    require_detector("torchvision", "of_tomorrow", None, "")
    RESNET.place.parent.mkdir(parents=True)
    RESNET.place.touch()
    require_detector("grid", "", Path("IMAGENET1K_V1"), "torchvision:resnet50")
    (tmp_path / "own.json").unlink()
    with pytest.raises(MissingPiece, match=r"own\.json"):
        require_detector("world", "", tmp_path / "own.safetensors", "")
    with pytest.raises(MissingPiece, match=r"own\.json"):
        require_detector("onnx", str(tmp_path / "own.onnx"), None, "")


def test_a_model_needs_the_weights_that_made_its_features(tmp_path: Path) -> None:
    with pytest.raises(MissingPiece, match="iconotext pretrain"):
        require_model(tmp_path)
    (tmp_path / "model.safetensors").touch()
    require_model(tmp_path)
    for weights in ("none", "unknown", manifest()["world"].sha256):
        note = {"fingerprint": {"detector": "world", "weights": weights}}
        (tmp_path / "features.json").write_text(json.dumps(note))
        require_model(tmp_path)
    (tmp_path / "features.json").write_text(json.dumps({"fingerprint": {"detector": "onnx", "weights": "7" * 64}}))
    with pytest.raises(MissingPiece, match=f"sha256 {'7' * 64}"):
        require_model(tmp_path)


def said(*line: str) -> str:
    """What the command line says of what is missing, once it is sure that PyTorch was not imported for that."""
    done = subprocess.run(
        [sys.executable, "-c", CALLED, *line], capture_output=True, text=True, check=False, env=os.environ
    )
    assert (done.returncode, done.stdout.strip()) == (MissingPiece.exit_code, "False"), done.stderr
    return done.stderr


@pytest.mark.parametrize("verb", ["extract", "plan"])
def test_missing_weights_are_named_before_pytorch_is_imported(verb: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    about = {"format": "iconotext-dataset/1", "splits": {}, "tables": [], "fingerprint": "0"}
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(about))
    where = [str(tmp_path / "data"), *([str(tmp_path / "store")] if verb == "extract" else [])]
    assert "258fb6c6" in said(verb, *where, "--detector", "torchvision", "--model", "fasterrcnn_resnet50_fpn")
    assert "does not exist" in said(verb, str(tmp_path / "gone"), *where[1:])


def test_so_are_those_that_a_model_needs(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "features.json").write_text(json.dumps({"fingerprint": {"detector": "onnx", "weights": "7" * 64}}))
    assert f"sha256 {'7' * 64}" in said("use", "answer", str(tmp_path), "photo.png", "what is it")
    assert "iconotext pretrain" in said("search", str(tmp_path / "gone"), "photos", "a red apple")
