"""Detectors of transformers, with tiny random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.regions import DetectorOptions, Selection, open_detector, open_like, pool
from iconotext.regions.hub import load_hub

ASKED = ("red cat", "dog")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "red", "cat", "dog", "a", "photo", "of"]
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 24], "depths": [1] * 4}
SMALL = {"size": {"shortest_edge": 64, "longest_edge": 384}}
SQUARE = {"size": {"height": 64, "width": 64}}


def detr() -> tuple[Any, ...]:
    backbone = hf.ResNetConfig(**RESNET, out_features=["stage4"])
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "d_model": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = hf.DetrConfig(backbone_config=backbone, use_timm_backbone=False, num_queries=20, **sizes, **heads)
    return hf.DetrForObjectDetection, config, hf.DetrImageProcessor(**SMALL)


def rt_detr() -> tuple[Any, ...]:
    backbone = hf.RTDetrResNetConfig(**RESNET, layer_type="basic", out_features=["stage2", "stage3", "stage4"])
    encoder = {"encoder_hidden_dim": 16, "encoder_in_channels": [16, 16, 24], "encoder_ffn_dim": 16}
    decoder = {"decoder_in_channels": [16] * 3, "decoder_ffn_dim": 16, "decoder_layers": 1, "d_model": 16}
    rest = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 20, "num_denoising": 0}
    config = hf.RTDetrConfig(backbone_config=backbone, anchor_image_size=None, **encoder, **decoder, **rest)
    return hf.RTDetrForObjectDetection, config, hf.RTDetrImageProcessor(**SQUARE)


def d_fine() -> tuple[Any, ...]:
    stages = {"stage_in_channels": [8, 8, 16, 16], "stage_mid_channels": [8] * 4, "stage_out_channels": [8, 16, 16, 24]}
    shape = {"hidden_sizes": [8, 16, 16, 24], "stage_num_blocks": [1] * 4, "stage_numb_of_layers": [1] * 4}
    names = ["stage2", "stage3", "stage4"]
    backbone = hf.HGNetV2Config(
        **stages, **shape, depths=[1] * 4, stem_channels=[3, 8, 8], embedding_size=8, out_features=names
    )
    encoder = {"encoder_hidden_dim": 16, "encoder_in_channels": [16, 16, 24], "encoder_ffn_dim": 16, "d_model": 16}
    decoder = {"decoder_in_channels": [16] * 3, "decoder_ffn_dim": 16, "decoder_layers": 2, "eval_idx": -1}
    rest = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 20, "num_denoising": 0}
    config = hf.DFineConfig(backbone_config=backbone, **encoder, **decoder, **rest)
    return hf.DFineForObjectDetection, config, hf.RTDetrImageProcessor(**SQUARE)


def yolos() -> tuple[Any, ...]:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = hf.YolosConfig(**sizes, image_size=[64, 64], num_detection_tokens=20, use_mid_position_embeddings=False)
    return hf.YolosForObjectDetection, config, hf.YolosImageProcessor(**SMALL)


def owlv2() -> tuple[Any, ...]:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    vision = {**sizes, "image_size": 64, "patch_size": 16}
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    text = {**sizes, "vocab_size": len(WORDS), "max_position_embeddings": 16, **ids}
    config = hf.Owlv2Config(text_config=text, vision_config=vision, projection_dim=16)
    return hf.Owlv2ForObjectDetection, config, hf.Owlv2ImageProcessor(**SQUARE)


def grounding_dino() -> tuple[Any, ...]:
    names = ["stage2", "stage3", "stage4"]
    shape = {"embed_dim": 8, "depths": [1] * 4, "num_heads": [1] * 4, "window_size": 2, "image_size": 64}
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    sizes = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "d_model": 32}
    heads = {
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "num_queries": 20,
        "max_text_len": 16,
        "num_feature_levels": 3,
    }
    config = hf.GroundingDinoConfig(
        backbone_config=hf.SwinConfig(**shape, out_features=names),
        text_config=hf.BertConfig(**text, vocab_size=len(WORDS)),
        **sizes,
        **heads,
    )
    return hf.GroundingDinoForObjectDetection, config, hf.GroundingDinoImageProcessor(**SMALL)


CLOSED: dict[str, Callable[[], tuple[Any, ...]]] = {"detr": detr, "rt_detr": rt_detr, "d_fine": d_fine, "yolos": yolos}
OPEN: dict[str, Callable[[], tuple[Any, ...]]] = {"owlv2": owlv2, "grounding-dino": grounding_dino}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder a detector, as `save_pretrained` writes it."""
    made = {}
    for name, make in (CLOSED | OPEN).items():
        torch.manual_seed(0)
        kind, config, processor = make()
        if name in CLOSED:
            config.id2label = {0: "cat", 1: "dog", 2: "猫"}
        model = kind(config)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        folder = made[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        if name in OPEN:
            (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
            hf.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return made


def options_of(name: str, folder: Path, **more: Any) -> DetectorOptions:
    ask = ASKED if name in OPEN else ()
    plain = DetectorOptions(model=str(folder), ask=ask, selection=Selection(5, 9, 0.3), device="cpu")
    return replace(plain, **more)


@pytest.mark.parametrize("layer", ["backbone", "queries"])
@pytest.mark.parametrize("name", CLOSED | OPEN)
def test_regions(name: str, layer: str, folders: dict[str, Path], pictures: list[np.ndarray]) -> None:
    detector = open_detector("transformers", options_of(name, folders[name], layer=layer))
    print_ = detector.fingerprint
    things = ASKED if name in OPEN else ("cat", "dog", "猫")
    assert detector.class_names == ("background", *things)
    assert (print_.classes, print_.attributes) == (len(things) + 1, 0)
    assert print_.detector.startswith("transformers:")
    for picture, found in zip(pictures, detector.detect(pictures), strict=True):
        height, width = picture.shape[:2]
        assert 5 <= len(found) <= 9
        assert found.features.shape == (len(found), print_.feature_dim)
        assert np.isfinite(found.features).all()
        assert np.ptp(found.features, axis=0).max() > 0
        assert found.class_probs.shape == (len(found), len(things) + 1)
        assert np.allclose(found.class_probs.sum(1), 1, atol=1e-5)
        assert (np.diff(found.scores) <= 0).all()
        assert found.boxes.min() >= 0
        assert (found.boxes <= np.array([width, height] * 2) * (1 + 1e-5)).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()


@pytest.mark.parametrize("name", CLOSED | OPEN)
def test_own_boxes_given_back_have_the_same_features(
    name: str, folders: dict[str, Path], pictures: list[np.ndarray]
) -> None:
    options = options_of(name, folders[name])
    found = open_detector("transformers", options).detect(pictures[:3])
    reader = open_detector("transformers", replace(options, given=True))
    assert reader.needs_boxes
    assert reader.class_names == ()
    again = reader.detect([reader.fit(p, f.boxes) for p, f in zip(pictures, found)])
    for first, second in zip(found, again, strict=True):
        assert np.array_equal(first.boxes, second.boxes)
        assert np.abs(first.features - second.features).max() < 1e-5
    with pytest.raises(DataError, match="needs the boxes"):
        reader.detect(pictures[:1])


@pytest.mark.parametrize("name", CLOSED | OPEN)
def test_a_batch_changes_nothing(
    name: str, folders: dict[str, Path], pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = open_detector("transformers", options_of(name, folders[name], given=True))
    boxes = np.array([[1, 2, 30, 35], [5, 5, 20, 36]], np.float32)
    fitted = [detector.fit(picture, boxes) for picture in pictures]
    alone = [detector.detect([picture])[0] for picture in fitted]
    monkeypatch.setitem(pool.TOGETHER, "cpu", 4)
    for one, other in zip(alone, detector.detect(fitted), strict=True):
        assert np.abs(one.features - other.features).max() < 1e-4


@pytest.mark.parametrize("name", CLOSED | OPEN)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 40)])
def test_pictures_at_the_edge_of_the_possible(name: str, width: int, height: int, folders: dict[str, Path]) -> None:
    found = open_detector("transformers", options_of(name, folders[name])).detect(
        [np.full((height, width, 3), 90, np.uint8)]
    )
    assert (found[0].boxes <= (width, height, width, height)).all()


def test_it_is_found_again_by_its_fingerprint(folders: dict[str, Path]) -> None:
    for name, more in [("detr", {}), ("rt_detr", {"layer": "queries"}), ("yolos", {"given": True}), ("owlv2", {})]:
        options = options_of(name, folders[name], **more)
        detector = open_detector("transformers", options)
        here = DetectorOptions(model=str(folders[name]), device="cpu")
        assert open_like(detector.fingerprint, here, detector.class_names).fingerprint == detector.fingerprint


def test_what_is_not_there(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(MissingPiece, match="hf download some/detector"):
        load_hub("some/detector")
    with pytest.raises(MissingPiece, match="no folder"):
        load_hub(str(tmp_path / "gone"))
    with pytest.raises(MissingPiece, match="no weights"):
        load_hub(str(tmp_path))
    with pytest.raises(ConfigError, match="--ask"):
        load_hub(str(folders["owlv2"]))
    with pytest.raises(ConfigError, match="own classes"):
        load_hub(str(folders["detr"]), ASKED)
    with pytest.raises(ConfigError, match="no query"):
        open_detector("transformers", options_of("detr", folders["detr"], layer="queries", given=True))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "config.json").write_text('{"model_type": "detr"}')
    with pytest.raises(DataError):
        load_hub(str(tmp_path))


def test_words_find_their_outputs(folders: dict[str, Path]) -> None:
    prompt = load_hub(str(folders["grounding-dino"]), ASKED).prompt
    assert prompt is not None
    # [CLS] red cat . dog . [SEP]
    assert prompt.owns.tolist() == [[False, True, True] + [False] * 4, [False] * 4 + [True] + [False] * 2]
    logits = torch.tensor([[[9.0, -1, 2, 9, -3, 9, 9]]])
    expected = torch.tensor([[[2.0, -3.0]]]).sigmoid()
    assert torch.allclose(prompt.probabilities(logits), expected)
