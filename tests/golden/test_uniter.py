"""UNITER against numbers made by its original code."""

from __future__ import annotations

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.pattern import Geometry
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets
from iconotext.objectives.itm import ITM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.transport import cosine_cost, transport_distance, transport_plan
from iconotext.objectives.wra import WRA


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = find(metafunc.config.getoption("--golden"), "uniter")
    kind = metafunc.function.__name__.removeprefix("test_")
    chosen = [case for case in cases if case.info["kind"] == kind]
    assert cases, "no recorded case of UNITER under --golden"
    metafunc.parametrize("case", chosen, ids=[case.folder.name for case in chosen])


def batch_of(case: Case, ids: str = "input_ids", features: str = "img_feat", masked: bool = False) -> Batch:
    x = case.inputs
    words, regions = valid(case)
    location = x["img_pos_feat"]
    return pair_up(
        packed_text(x[ids], words),
        packed_region(x[features], location, regions, 1, x["img_masks"] if masked else None),
        x["itm_targets"].bool() if "itm_targets" in x else None,
    )


def valid(case: Case) -> tuple[Tensor, Tensor]:
    """Which padded text and region slots hold something: what the compact gather takes."""
    x = case.inputs
    words = x["input_ids"] > 0
    count = x["attn_masks"].sum(1) - words.sum(1)
    return words, torch.arange(x["img_feat"].shape[1])[None] < count[:, None]


def compact(case: Case, text: Tensor, region: Tensor, batch: Batch) -> Tensor:
    """Our packed streams in the order of the original's compact rows."""
    rectangle = Geometry(batch).rectangle(("text", "region"))
    padded = rectangle.pad(torch.cat([text, region]))
    mask = case.inputs["attn_masks"].bool()
    return padded[:, : mask.shape[1]][mask[:, : padded.shape[1]]]


def check_states(case: Case, model: PretrainModel) -> None:
    batch = batch_of(case)
    mask = case.inputs["attn_masks"]
    embedded = model.trunk.embed(batch)
    case.compare("embedding_output", compact(case, embedded["text"], embedded["region"], batch), mask)
    seen: dict[int, Tensor] = {}

    def watch(index: int, streams: Streams) -> None:
        if index % 2:
            seen[index // 2 + 1] = compact(case, streams["text"], streams["region"], batch)

    encoded = model.trunk(batch, watch)
    layers = [name for name in case.outputs if name.startswith("hidden_states.")]
    for name in layers:
        case.compare(name, seen[int(name.split(".")[1])], mask)
    case.compare("sequence_output", compact(case, encoded.text, encoded.region, batch), mask)
    case.compare("pooled_output", model.trunk.pool(encoded))


@torch.no_grad()
def test_encoder(case: Case) -> None:
    model = case.model()
    check_states(case, model)
    batch = batch_of(case)
    words, regions = valid(case)
    view = model.view(batch)
    case.compare("itm_scores", model.heads["itm"](view.pooled()))
    case.compare("mlm_scores_all", model.heads["mlm"](view.encoded.text), words)
    no_regions = packed_region(case.inputs["img_feat"], case.inputs["img_pos_feat"], torch.zeros_like(regions), 1)
    case.compare("text_only_output", model.trunk(pair_up(batch.text, no_regions)).text, words)
    no_words = packed_text(case.inputs["input_ids"], torch.zeros_like(words))
    case.compare("image_only_output", model.trunk(pair_up(no_words, batch.region)).region, regions)


def region_targets(case: Case, values: str) -> Targets:
    _, regions = valid(case)
    positions = case.inputs["img_masks"][regions].nonzero()[:, 0]
    target = case.inputs[values]
    return Targets(positions, target, float(target.numel()))


def test_pretraining(case: Case) -> None:
    model = case.model()
    with torch.no_grad():
        check_states(case, model)
    x = case.inputs
    words, _ = valid(case)
    heads, by_name = model.heads, model.objectives
    losses: dict[str, Loss] = {}

    view = model.view(batch_of(case, "masked_input_ids"))
    labels = x["txt_labels"][words]
    positions = (labels != -1).nonzero()[:, 0]
    targets = Targets(positions, labels[positions], float(positions.numel()))
    scores = heads["mlm"](view.encoded.text[positions])
    case.compare("mlm/scores", scores)
    case.compare("mlm/loss_per_token", nn.functional.cross_entropy(scores, labels[positions], reduction="none"))
    losses["mlm"] = by_name["mlm"].loss(heads["mlm"], view, targets)

    masked = batch_of(case, features="masked_img_feat", masked=True)
    view = model.view(masked)
    case.compare("mrfr/sequence_output", compact(case, view.encoded.text, view.encoded.region, masked), x["attn_masks"])
    targets = region_targets(case, "feat_targets")
    case.compare("mrfr/prediction", heads["mrfr"](view.encoded.region[targets.positions]))
    losses["mrfr"] = by_name["mrfr"].loss(heads["mrfr"], view, targets)
    targets = region_targets(case, "label_targets")
    scores = heads["mrc_soft"](view.encoded.region[targets.positions])
    case.compare("mrc/scores", scores)
    soft = by_name["mrc_soft"]
    assert isinstance(soft, MRC)
    offsets, sure = view.batch.region.offsets, torch.ones(len(targets.positions))
    divided = soft.targets(targets.positions, targets.values, sure, offsets)
    losses["mrc-kl"] = soft.loss(heads["mrc_soft"], view, divided)
    hard = targets.values[:, 1:].argmax(1) + 1
    case.compare("mrc/loss_per_region", nn.functional.cross_entropy(scores, hard, reduction="none"))
    hard_targets = Targets(targets.positions, hard, float(hard.numel()))
    losses["mrc"] = MRC("hard").loss(heads["mrc_soft"], view, hard_targets)

    clean = batch_of(case)
    view = model.view(clean)
    rows = Targets(torch.arange(len(clean)), x["itm_targets"], float(len(clean)))
    scores = heads["itm"](view.pooled())
    case.compare("itm/scores", scores)
    case.compare("itm/loss_per_example", nn.functional.cross_entropy(scores, x["itm_targets"], reduction="none"))
    losses["itm"] = ITM(matched=1).loss(heads["itm"], view, rows)
    wra = by_name["wra"]
    assert isinstance(wra, WRA)
    signed = Targets(rows.positions, torch.where(x["itm_targets"].bool(), 1.0, -1.0), rows.count)
    losses["ot"] = wra.loss(heads["wra"], view, signed)
    one = [Targets(rows.positions[i : i + 1], torch.ones(1), 1.0) for i in range(len(clean))]
    case.compare("itm/ot_distance", torch.stack([wra.loss(heads["wra"], view, row).sum for row in one]))

    for name, loss in losses.items():
        case.compare(f"loss/{name}", loss.mean)
    weights = {"ot": wra.weight}
    total = sum((weights.get(name, 1.0) * loss.mean for name, loss in losses.items()), torch.zeros(()))
    case.compare("total_loss", total)
    total.backward()
    case.compare_gradients(model)


def test_function(case: Case) -> None:
    x = case.inputs
    text = x["txt_emb"].clone().requires_grad_()
    words, regions = ~x["txt_pad"], ~x["img_pad"]
    pair = words[:, :, None] & regions[:, None, :]
    cost = cosine_cost(text, x["img_emb"]).masked_fill(~pair, 0.0)
    constants = {"beta": case.info["config"]["beta"], "iterations": case.info["config"]["iteration"]}
    case.compare("cost", cost)
    case.compare("transport_plan", transport_plan(cost.detach(), words, regions, **constants))
    distance = transport_distance(text, x["img_emb"], words, regions, **constants)
    case.compare("distance", distance)
    distance.sum().backward()
    assert text.grad is not None
    case.compare("grad_txt_emb", text.grad)
