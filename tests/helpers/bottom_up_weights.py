"""The names and shapes of the published weights, written out, and small checkpoints in the same layouts."""

from __future__ import annotations

import torch
from torch import Tensor

from iconotext.regions.bottom_up.boxes import cell_anchors
from iconotext.regions.bottom_up.network import BottomUpShape

FULL = BottomUpShape()
TINY = BottomUpShape(classes=6, attributes=4, blocks=(1, 2, 2, 1), stem=4, anchors=12, hidden=8)
_STAGES = (("backbone.res2", 1, 1), ("backbone.res3", 4, 2), ("backbone.res4", 8, 4), ("roi_heads.res5", 16, 8))


def trunk(shape: BottomUpShape) -> dict[str, tuple[int, ...]]:
    """Convolutions and norms, which all layouts share."""
    convolutions: dict[str, tuple[int, ...]] = {"backbone.stem.conv1": (shape.stem, 3, 7, 7)}
    for (stage, inputs, width), blocks in zip(_STAGES, shape.blocks):
        i, w = inputs * shape.stem, width * shape.stem
        for block in range(blocks):
            start = f"{stage}.{block}"
            if block == 0:
                convolutions[f"{start}.shortcut"] = (4 * w, i, 1, 1)
            convolutions[f"{start}.conv1"] = (w, i if block == 0 else 4 * w, 1, 1)
            convolutions[f"{start}.conv2"] = (w, w, 3, 3)
            convolutions[f"{start}.conv3"] = (4 * w, w, 1, 1)
    names: dict[str, tuple[int, ...]] = {}
    for name, size in convolutions.items():
        names[f"{name}.weight"] = size
        for part in ("weight", "bias", "running_mean", "running_var"):
            names[f"{name}.norm.{part}"] = (size[0],)
    head = "proposal_generator.rpn_head"
    names[f"{head}.conv.weight"] = (shape.hidden, 16 * shape.stem, 3, 3)
    names[f"{head}.conv.bias"] = (shape.hidden,)
    names[f"{head}.anchor_deltas.weight"] = (4 * shape.anchors, shape.hidden, 1, 1)
    names[f"{head}.anchor_deltas.bias"] = (4 * shape.anchors,)
    return names


def hf(shape: BottomUpShape) -> dict[str, tuple[int, ...]]:
    """`huggingface/transformers:lxmert/modeling_frcnn.py`."""
    width, box = shape.feature, "roi_heads.box_predictor"
    linear = {
        "cls_score": (shape.classes + 1, width),
        "bbox_pred": (4 * shape.classes, width),
        "fc_attr": (width // 4, width + width // 8),
        "attr_score": (shape.attributes + 1, width // 4),
    }
    names = trunk(shape) | {f"{box}.cls_embedding.weight": (shape.classes + 1, width // 8)}
    names |= {f"{box}.{name}.weight": size for name, size in linear.items()}
    names |= {f"{box}.{name}.bias": size[:1] for name, size in linear.items()}
    names |= {name.replace("running_mean", "num_batches_tracked"): () for name in names if "running_mean" in name}
    names["proposal_generator.rpn_head.objectness_logits.weight"] = (shape.anchors, shape.hidden, 1, 1)
    names["proposal_generator.rpn_head.objectness_logits.bias"] = (shape.anchors,)
    names["proposal_generator.anchor_generator.cell_anchors.0"] = (shape.anchors, 4)
    return names


def milvlg(shape: BottomUpShape) -> dict[str, tuple[int, ...]]:
    """`MILVLG/bottom-up-attention.pytorch:bua/caffe`."""
    width, box = shape.feature, "roi_heads.box_predictor"
    linear = {
        "cls_score": (shape.classes + 1, width),
        "bbox_pred": (4 * (shape.classes + 1), width),
        "attr_linear1": (width // 4, width + width // 8),
        "attr_linear2": (shape.attributes + 1, width // 4),
    }
    names = trunk(shape) | {f"{box}.cls_embed.weight": (shape.classes + 1, width // 8)}
    names |= {f"{box}.{name}.weight": size for name, size in linear.items()}
    names |= {f"{box}.{name}.bias": size[:1] for name, size in linear.items()}
    names["proposal_generator.rpn_head.objectness_logits.weight"] = (2 * shape.anchors, shape.hidden, 1, 1)
    names["proposal_generator.rpn_head.objectness_logits.bias"] = (2 * shape.anchors,)
    return names


def filled(names: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Random weights under which a picture of noise gives scores that differ."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, size in names.items():
        values = torch.randn(size, generator=generator)
        if name.endswith("num_batches_tracked"):
            values = torch.tensor(0)
        elif name.endswith(("running_var", "norm.weight")):
            values = values.abs() + 0.5
        elif name.endswith("cell_anchors.0"):
            values = cell_anchors((1, 2, 3, 5))
        elif len(size) > 1 and "embed" not in name:
            values *= (1.5 / values[0].numel()) ** 0.5 / (2000 if "stem" in name else 1)
            values *= 0.1 if "anchor_deltas" in name else 1
        state[name] = values
    return state
