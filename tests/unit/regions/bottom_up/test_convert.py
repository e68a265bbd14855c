from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from bottom_up_weights import FULL, TINY, filled, hf, milvlg

from iconotext.core.errors import DataError
from iconotext.regions.bottom_up.boxes import cell_anchors
from iconotext.regions.bottom_up.convert import ANCHORS, convert, shape_of
from iconotext.regions.bottom_up.network import BottomUpNetwork, BottomUpShape

Layout = Callable[[BottomUpShape], dict[str, tuple[int, ...]]]
BOX = "roi_heads.box_predictor"

# A choice of the published tensors by name and shape, written out.
PUBLISHED = {
    "backbone.stem.conv1.weight": (64, 3, 7, 7),
    "backbone.stem.conv1.norm.running_mean": (64,),
    "backbone.res2.0.shortcut.weight": (256, 64, 1, 1),
    "backbone.res2.2.conv3.weight": (256, 64, 1, 1),
    "backbone.res3.0.conv1.weight": (128, 256, 1, 1),
    "backbone.res3.3.conv2.norm.weight": (128,),
    "backbone.res4.0.shortcut.norm.bias": (1024,),
    "backbone.res4.22.conv2.weight": (256, 256, 3, 3),
    "proposal_generator.rpn_head.conv.weight": (512, 1024, 3, 3),
    "proposal_generator.rpn_head.objectness_logits.weight": (12, 512, 1, 1),
    "proposal_generator.rpn_head.anchor_deltas.weight": (48, 512, 1, 1),
    "roi_heads.res5.0.conv1.weight": (512, 1024, 1, 1),
    "roi_heads.res5.0.shortcut.weight": (2048, 1024, 1, 1),
    "roi_heads.res5.2.conv3.weight": (2048, 512, 1, 1),
    f"{BOX}.cls_score.weight": (1601, 2048),
    f"{BOX}.bbox_pred.weight": (6400, 2048),
    f"{BOX}.cls_embedding.weight": (1601, 256),
    f"{BOX}.fc_attr.weight": (512, 2304),
    f"{BOX}.attr_score.weight": (401, 512),
}


@pytest.mark.parametrize("layout", [hf, milvlg])
def test_a_published_checkpoint_becomes_the_published_names_and_shapes(layout: Layout) -> None:
    with torch.device("meta"):
        state = {name: torch.empty(size) for name, size in layout(FULL).items()}
        network = BottomUpNetwork(FULL)
    found = convert(state)
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    assert PUBLISHED.items() <= shapes.items()
    assert shapes == {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    expected = hf(FULL) | {ANCHORS: (12, 4)}
    del expected["proposal_generator.anchor_generator.cell_anchors.0"]
    assert shapes == expected
    assert shape_of(found) == FULL
    # ResNet-101 without its classifier, proposals, classes, boxes, embedding, attributes: each its width times its inputs.
    counts = (42_500_160, 4_749_884, 3_280_449, 13_113_600, 409_856, 1_180_160 + 205_713)
    assert sum(tensor.numel() for tensor in network.parameters()) == sum(counts)


@pytest.mark.parametrize("layout", [hf, milvlg])
def test_sizes_are_read_off_the_tensors(layout: Layout) -> None:
    assert shape_of(convert(filled(layout(TINY)))) == TINY


def test_the_background_comes_first() -> None:
    state = filled(hf(TINY))
    found = convert(state)
    for name in ("cls_score.weight", "cls_score.bias", "cls_embedding.weight", "attr_score.weight", "attr_score.bias"):
        theirs, ours = state[f"{BOX}.{name}"], found[f"{BOX}.{name}"]
        assert torch.equal(ours[0], theirs[-1])
        assert torch.equal(ours[1:], theirs[:-1])
    assert torch.equal(found[f"{BOX}.bbox_pred.weight"], state[f"{BOX}.bbox_pred.weight"])
    assert torch.equal(found[ANCHORS], state["proposal_generator.anchor_generator.cell_anchors.0"])


def test_two_numbers_an_anchor_become_one() -> None:
    state = filled(milvlg(TINY))
    found = convert(state)
    head = "proposal_generator.rpn_head.objectness_logits"
    hidden = torch.randn(5, TINY.hidden)
    both = (hidden @ state[f"{head}.weight"].flatten(1).T + state[f"{head}.bias"]).view(5, 2, TINY.anchors)
    one = hidden @ found[f"{head}.weight"].flatten(1).T + found[f"{head}.bias"]
    assert torch.allclose(one.sigmoid(), both.softmax(dim=1)[:, 1], atol=1e-6)
    assert torch.equal(found[f"{BOX}.cls_score.weight"], state[f"{BOX}.cls_score.weight"])
    assert torch.equal(found[f"{BOX}.cls_embedding.weight"], state[f"{BOX}.cls_embed.weight"])
    assert torch.equal(found[f"{BOX}.fc_attr.bias"], state[f"{BOX}.attr_linear1.bias"])
    assert torch.equal(found[f"{BOX}.attr_score.weight"], state[f"{BOX}.attr_linear2.weight"])
    assert torch.equal(found[f"{BOX}.bbox_pred.weight"], state[f"{BOX}.bbox_pred.weight"][4:])
    assert torch.equal(found[ANCHORS], cell_anchors())


def test_what_is_ours_stays_as_it_is() -> None:
    found = convert(filled(hf(TINY)))
    again = convert(found)
    assert all(torch.equal(again[name], tensor) for name, tensor in found.items())


def test_other_weights_are_refused() -> None:
    with pytest.raises(DataError, match="no weights of bottom-up attention"):
        convert({"backbone.conv1.weight": torch.zeros(1)})
    for gone in (f"{BOX}.cls_score.weight", "proposal_generator.rpn_head.anchor_deltas.bias"):
        state = filled(hf(TINY))
        del state[gone]
        with pytest.raises(DataError, match="lack"):
            convert(state)
