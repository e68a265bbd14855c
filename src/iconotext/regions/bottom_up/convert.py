"""From the layouts in which the bottom-up-attention weights were published for PyTorch to the names and orders of ours.

``hf``: `unc-nlp/frcnn-vg-finetuned`, the class of `huggingface/transformers:lxmert/modeling_frcnn.py`; background and
"none" are last. ``milvlg``: `bua-caffe-frcnn-r101_with_attributes.pth` of `MILVLG/bottom-up-attention.pytorch`; background and
"none" are first, objectness is two numbers an anchor, and the background has a box. Ours has the names of ``hf`` and background
first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from iconotext.core.errors import DataError
from iconotext.regions.bottom_up.boxes import cell_anchors
from iconotext.regions.bottom_up.network import BottomUpShape

ANCHORS = "proposal_generator.cell_anchors"
_PREDICTOR = "roi_heads.box_predictor."
_OBJECTNESS = "proposal_generator.rpn_head.objectness_logits."


@dataclass(frozen=True)
class Layout:
    """A published file: how to know it, what it calls otherwise, and where its background is.

    ``known_by`` is a tensor that no other layout has; ``renamed`` maps beginnings of names.
    """

    name: str
    known_by: str
    renamed: Mapping[str, str]
    background_last: bool


LAYOUTS = (
    Layout(
        name="milvlg",
        known_by=f"{_PREDICTOR}cls_embed.weight",
        renamed={
            f"{_PREDICTOR}cls_embed.": f"{_PREDICTOR}cls_embedding.",
            f"{_PREDICTOR}attr_linear1.": f"{_PREDICTOR}fc_attr.",
            f"{_PREDICTOR}attr_linear2.": f"{_PREDICTOR}attr_score.",
            "proposal_generator.anchor_generator.cell_anchors.0": ANCHORS,
        },
        background_last=False,
    ),
    Layout(
        name="hf",
        known_by=f"{_PREDICTOR}cls_embedding.weight",
        renamed={"proposal_generator.anchor_generator.cell_anchors.0": ANCHORS},
        background_last=True,
    ),
)


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of our network; one that is ours already stays as it is.

    Raises:
        DataError: the state is of none of the layouts, or lacks a tensor.
    """
    if ANCHORS in state:
        return dict(state)
    layout = next((layout for layout in LAYOUTS if layout.known_by in state), None)
    if layout is None:
        raise DataError(
            "these are no weights of bottom-up attention: there is neither "
            + " nor ".join(layout.known_by for layout in LAYOUTS)
        )
    try:
        return _converted(state, layout)
    except KeyError as error:
        raise DataError(f"the weights of bottom-up attention (layout {layout.name}) lack {error}") from error


def _converted(state: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    found = {_ours(name, layout): tensor for name, tensor in state.items()}
    classes = len(found[f"{_PREDICTOR}cls_score.weight"])
    for part in ("cls_score.weight", "cls_score.bias", "cls_embedding.weight", "attr_score.weight", "attr_score.bias"):
        if layout.background_last:
            found[_PREDICTOR + part] = found[_PREDICTOR + part].roll(1, 0)
    for part in ("weight", "bias"):
        boxes = found[f"{_PREDICTOR}bbox_pred.{part}"]
        found[f"{_PREDICTOR}bbox_pred.{part}"] = boxes[4:] if len(boxes) == 4 * classes else boxes
        found[_OBJECTNESS + part] = _one_number(found[_OBJECTNESS + part], found)
    anchors = found.get(ANCHORS)
    found[ANCHORS] = cell_anchors() if anchors is None else anchors
    for name in [name for name in found if name.endswith(".running_mean")]:
        found.setdefault(name.replace("running_mean", "num_batches_tracked"), torch.tensor(0))
    return found


def shape_of(state: Mapping[str, Tensor]) -> BottomUpShape:
    """The sizes of a converted network, read off its tensors.

    Raises:
        DataError: a tensor that tells one is not there.
    """
    try:
        return BottomUpShape(
            classes=len(state[f"{_PREDICTOR}cls_score.weight"]) - 1,
            attributes=len(state[f"{_PREDICTOR}attr_score.weight"]) - 1,
            blocks=(
                _blocks(state, "backbone.res2"),
                _blocks(state, "backbone.res3"),
                _blocks(state, "backbone.res4"),
                _blocks(state, "roi_heads.res5"),
            ),
            stem=len(state["backbone.stem.conv1.weight"]),
            anchors=len(state[ANCHORS]),
            hidden=len(state["proposal_generator.rpn_head.conv.weight"]),
        )
    except KeyError as error:
        raise DataError(f"the weights of bottom-up attention lack {error}") from error


def _ours(name: str, layout: Layout) -> str:
    start = next((start for start in layout.renamed if name.startswith(start)), "")
    return layout.renamed.get(start, "") + name.removeprefix(start)


def _one_number(objectness: Tensor, found: Mapping[str, Tensor]) -> Tensor:
    """One logit an anchor: of "background" for all anchors and then "object", the softmax is the sigmoid of the difference."""
    anchors = len(found["proposal_generator.rpn_head.anchor_deltas.bias"]) // 4
    if len(objectness) == anchors:
        return objectness
    return objectness[anchors:] - objectness[:anchors]


def _blocks(state: Mapping[str, Tensor], stage: str) -> int:
    return len({name.split(".")[2] for name in state if name.startswith(f"{stage}.")})
