"""VL-BERT against numbers made by its original code."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from recorded import recorded
from torch import Tensor

from iconotext.convert import RELEASES, convert
from iconotext.core.batch import END, Batch, Encoded, row_of
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.appearance import sines_and_cosines
from iconotext.nn.location import encode_location
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = find(metafunc.config.getoption("--golden"), "vl_bert")
    assert cases, "no recorded case of VL-BERT under --golden"
    metafunc.parametrize("case", cases, ids=[case.folder.name for case in cases])


def model_of(case: Case) -> PretrainModel:
    """The case's weights; only a pooler may be missing, where the config has none."""
    config = case.info["config"]
    model, carried = convert(RELEASES["vl_bert"], config, recorded(case.folder, "weights"))
    assert all(not config["VLBERT"]["with_pooler"] and name.startswith("trunk.pooler") for name in carried.unfilled), (
        carried.unfilled
    )
    return model.eval()


def valid(case: Case) -> tuple[Tensor, Tensor]:
    """Which padded text and region slots hold something."""
    return case.inputs["text"] > 0, case.inputs["boxes"][..., 0] > -1.5


def batch_of(case: Case) -> Batch:
    x = case.inputs
    words, regions = valid(case)
    rows, lengths = torch.arange(len(words)), words.sum(1)
    ids = torch.nn.functional.pad(x["text"], (0, 1))
    ids[rows, lengths] = END
    segment = torch.where(ids == END, 2, 0)
    text = packed_text(ids, torch.nn.functional.pad(words, (1, 0), value=True), segment)
    text = dataclasses.replace(text, position=text.position + (text.ids == END))
    sizes = x["im_info"][:, None, :2].expand(-1, x["boxes"].shape[1], -1)
    place = encode_location("sincos", x["boxes"][..., :4].flatten(0, 1), sizes.flatten(0, 1))
    location = place.view(*regions.shape, 4)
    region = packed_region(x["boxes"][..., 4:], location, regions, 2, x["mvrc_ops"] == 1, whole=True)
    matched = x["relationship_label"] == 1 if "relationship_label" in x else None
    return pair_up(text, region, matched)


def compact(states: Encoded, batch: Batch) -> Tensor:
    """Our packed streams in the order of the original's rows: words, regions, [END]."""
    end = batch.text.ids == END
    row = torch.cat([row_of(states.text_offsets), row_of(states.region_offsets)])
    kind = torch.cat([2 * end, torch.ones(states.region.shape[0], dtype=torch.long)])
    return torch.cat([states.text, states.region])[torch.argsort(3 * row + kind, stable=True)]


def check_states(case: Case, model: PretrainModel, batch: Batch) -> None:
    trunk = model.trunk
    words, regions = valid(case)
    joint = case.outputs["joint_mask"]
    case.compare("object_mask", regions.to(torch.uint8))
    many = words.sum(1) + regions.sum(1) + 1
    case.compare("joint_mask", (torch.arange(joint.shape[1])[None] < many[:, None]).to(torch.uint8))
    looks = trunk.region.appearance(batch.region)
    first = batch.region.offsets[:-1]
    case.compare(
        "vlbert_text_visual_embeddings", looks[first[row_of(batch.text.offsets)]][batch.text.ids != END], words
    )
    special = torch.where(batch.region.masked[:, None], trunk.region.hidden.weight, trunk.region.image.weight)
    case.compare("vlbert_object_vl_embeddings", torch.cat([looks, special], 1), regions)
    place = sines_and_cosines(batch.region.location[first], trunk.region.appearance.sines)
    case.compare("coordinate_embeddings_box0", place.view(len(first), 4, -1))

    def packed(streams: Streams) -> Encoded:
        return Encoded(streams["text"], streams["region"], batch.text.offsets, batch.region.offsets)

    def watch(index: int, streams: Streams) -> None:
        name = f"hidden_states.{index // 2 + 1}"
        if index % 2 and name in case.outputs:
            case.compare(name, compact(packed(streams), batch), joint)

    case.compare("embedding_output", compact(packed(trunk.embed(batch)), batch), joint)
    encoded = trunk(batch, watch)
    case.compare("sequence_output", compact(encoded, batch), joint)
    text = encoded.text[batch.text.ids != END]
    case.compare("text_output", text, words)
    case.compare("object_output", encoded.region, regions)
    case.compare("mlm_logits", model.heads["mlm"](text), words)
    if "pooled_output" in case.outputs:
        case.compare("pooled_output", trunk.pool(encoded))
    if "mrc_soft" in model.heads:
        case.compare("mvrc_logits", model.heads["mrc_soft"](encoded.region), regions)
    if "itm" in model.heads:
        case.compare("relationship_logits", model.heads["itm"](trunk.pool(encoded)))


def targets_of(case: Case, model: PretrainModel, batch: Batch) -> dict[str, Targets]:
    words, regions = valid(case)
    mlm, found = model.objectives["mlm"], {}
    assert isinstance(mlm, MLM)
    labels = torch.nn.functional.pad(case.inputs["mlm_labels"], (0, 1), value=-1)
    labels = labels[torch.nn.functional.pad(words, (1, 0), value=True)]
    positions = (labels != -1).nonzero()[:, 0]
    found["mlm"] = mlm.targets(positions, labels[positions], batch.text.offsets)
    if "mrc_soft" in model.objectives:
        mrc = model.objectives["mrc_soft"]
        assert isinstance(mrc, MRC)
        probs = case.inputs["mvrc_labels"][regions]
        positions = ((probs.sum(1) - 1).abs() < 0.1).nonzero()[:, 0]
        found["mrc_soft"] = mrc.targets(positions, probs[positions], torch.ones(len(positions)), batch.region.offsets)
    if "itm" in model.objectives:
        found["itm"] = Targets(torch.arange(len(batch)), case.inputs["relationship_label"], float(len(batch)))
    return found


def test_case(case: Case) -> None:
    model, batch = model_of(case), batch_of(case)
    with torch.no_grad():
        check_states(case, model, batch)
    if case.info["kind"] == "pretraining":
        view = model.view(batch)
        total = torch.zeros(())
        names = {"mlm": "mlm", "mrc_soft": "mvrc", "itm": "relationship"}
        for name, targets in targets_of(case, model, batch).items():
            loss = model.objectives[name].loss(model.heads[name], view, targets).mean
            case.compare(f"loss/{names[name]}", loss)
            total = total + loss
        case.compare("total_loss", total)
        total.backward()
        case.compare_gradients(model)
    case.assert_all_compared()
