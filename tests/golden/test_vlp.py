"""Unified VLP against numbers made by its original code."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import Case, find, packed_text, pair_up
from torch import Tensor

from iconotext.core.batch import Batch, Region
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.pattern import Geometry
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets, View
from iconotext.objectives.caption import CaptionMLM
from iconotext.objectives.iqa import IQA
from iconotext.objectives.region_matching import RegionMatching

REGIONS, FIRST = 100, 102
"""Regions of an image, and where its caption begins: after [CLS], the regions and [SEP]."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = find(metafunc.config.getoption("--golden"), "vlp")
    assert cases, "no recorded case of Unified VLP under --golden"
    metafunc.parametrize("case", cases, ids=[case.folder.name for case in cases])


def raw(normed: Tensor, eps: float = 1e-5) -> Tensor:
    """Numbers whose layer norm is ``normed``: the original makes it outside of the model, we do inside."""
    spare = 1 - normed.double().var(-1, correction=0, keepdim=True)
    return (normed * (eps / spare.clamp(min=1e-9)).sqrt()).float()


def words(case: Case) -> Tensor:
    """Which slots hold a word or a special token, not a region."""
    mask = case.inputs["valid"].bool().clone()
    mask[:, 1 : REGIONS + 1] = False
    return mask


def pattern(case: Case) -> str:
    """Whether the first region sees the first word of the caption."""
    return "full" if case.inputs["attention_mask"][0, 1, FIRST] else "seq2seq"


def masked_regions(case: Case) -> Tensor:
    """Which regions no token sees."""
    return ~case.inputs["attention_mask"].bool().any(1)[:, 1 : REGIONS + 1]


def batch_of(case: Case) -> Batch:
    x = case.inputs
    text = packed_text(x["input_ids"], words(case), x["token_type_ids"])
    text = dataclasses.replace(text, source=text.position < FIRST)
    rows = len(x["vis_feats"])
    many = rows * REGIONS
    masked = masked_regions(case)
    region = Region(
        features=x["vis_feats"].flatten(0, 1),
        boxes=torch.zeros(many, 4),
        location=raw(x["vis_pe"][..., :6].flatten(0, 1)),
        segment=x["token_type_ids"][:, 1 : REGIONS + 1].flatten(),
        class_probs=raw(x["vis_pe"][..., 6:].flatten(0, 1)),
        attributes=torch.full((many,), -1),
        masked=masked.flatten(),
        whole=torch.zeros(many, dtype=torch.bool),
        offsets=REGIONS * torch.arange(rows + 1),
    )
    return dataclasses.replace(pair_up(text, region), pattern=pattern(case), hidden_read=not masked.any())


def joined(case: Case, text: Tensor, region: Tensor) -> Tensor:
    """Our packed streams in the order of the original's rows: [CLS], regions, [SEP], caption."""
    valid = case.inputs["valid"].bool()
    padded = torch.zeros(*valid.shape, text.shape[1])
    padded[words(case)] = text
    padded[:, 1 : REGIONS + 1] = region.view(len(padded), REGIONS, -1)
    return padded[valid]


def check_mask(case: Case, batch: Batch) -> None:
    """Who sees whom is what the original's 3-D mask says, at every real token."""
    geometry = Geometry(batch)
    mask = geometry.mask(("text", "region"), ("text", "region"), torch.float32)
    rectangle = geometry.rectangle(("text", "region"))
    for row, valid in enumerate(case.inputs["valid"].bool()):
        theirs = case.inputs["attention_mask"][row][valid][:, valid].bool()
        caption = torch.arange(FIRST, len(theirs))
        order = torch.cat([torch.tensor([0, REGIONS + 1]), caption, torch.arange(1, REGIONS + 1)])
        size = int(rectangle.filled[row].sum())
        ours = torch.ones(size, size, dtype=torch.bool) if mask is None else None
        if mask is not None:
            ours = (mask[row, 0] == 0)[:size, :size].expand(size, size)
        assert torch.equal(ours, theirs[order][:, order])


def check_states(case: Case, model: PretrainModel, batch: Batch) -> None:
    valid = case.inputs["valid"]
    region = model.trunk.region
    rows = len(valid)
    recorded: dict[str, Tensor] = {
        "vis_embed": region.linear["feature"](batch.region.features),
        "vis_pe_embed": region.linear["location"](case.inputs["vis_pe"].flatten(0, 1)),
    }
    for name, ours in recorded.items():
        if name in case.outputs:
            case.compare(name, ours.view(rows, REGIONS, -1))
    embedded = model.trunk.embed(batch)
    if "embedding_output" in case.outputs:
        case.compare("embedding_output", joined(case, embedded["text"], embedded["region"]), valid)

    def watch(index: int, streams: Streams) -> None:
        name = f"hidden_states.{index // 2 + 1}"
        if index % 2 and name in case.outputs:
            case.compare(name, joined(case, streams["text"], streams["region"]), valid)

    encoded = model.trunk(batch, watch)
    case.compare("sequence_output", joined(case, encoded.text, encoded.region), valid)
    case.compare("pooled_output", model.trunk.pool(encoded))
    if "prediction_scores_text" in case.outputs:
        view = model.view(batch)
        caption = (batch.text.position >= FIRST).nonzero()[:, 0]
        scores = objective(case, model).scores(model.heads["mlm"], view, caption)
        case.compare("prediction_scores_text", scores, valid[:, FIRST:])


def objective(case: Case, model: PretrainModel) -> CaptionMLM:
    found = model.objectives["mlm"]
    assert isinstance(found, CaptionMLM)
    return dataclasses.replace(found, drop=case.info["call"].get("drop_worst_ratio", 0.0))


def answer_loss(case: Case, model: PretrainModel, view: View) -> Tensor | None:
    """The loss of the answers, after a comparison of their scores under whatever name they have."""
    if "iqa" not in model.objectives:
        return None
    iqa, head = model.objectives["iqa"], model.heads["iqa"]
    assert isinstance(iqa, IQA)
    rows = torch.arange(len(view.batch))
    scores = iqa.scores(head, view, rows)
    for name, recorded in case.outputs.items():
        if recorded.shape == scores.shape and ("vqa" in name or "ans" in name):
            case.compare(name, scores)
    return iqa.loss(head, view, Targets(rows, case.inputs["ans_labels"], float(len(rows)))).mean


def matching_loss(case: Case, model: PretrainModel, view: View) -> Tensor:
    """The loss of the hidden regions, 0 without any."""
    positions = view.batch.region.masked.nonzero()[:, 0]
    if not len(positions):
        return torch.zeros(())
    matching = RegionMatching()
    head = matching.head(model.trunk.head_context(0, 0))
    features = case.inputs["vis_feats"].flatten(0, 1)[positions]
    return matching.loss(head, view, matching.targets(positions, features, view.batch.region.offsets)).mean


def test_case(case: Case) -> None:
    model, batch = case.model(), batch_of(case)
    check_mask(case, batch)
    with torch.no_grad():
        check_states(case, model, batch)
    if case.info["kind"] == "pretraining":
        x = case.inputs
        place = torch.full(x["input_ids"].shape, -1)
        place[words(case)] = torch.arange(batch.text.ids.numel())
        used = x["masked_weights"].bool()
        positions = place.gather(1, x["masked_pos"])[used]
        mlm, view = objective(case, model), model.view(batch)
        case.compare("prediction_scores_masked", mlm.scores(model.heads["mlm"], view, positions), used)
        said = mlm.loss(model.heads["mlm"], view, mlm.targets(positions, x["masked_lm_labels"][used])).mean
        answers = answer_loss(case, model, view)
        losses = {  # the original leaves the words out where there are answers
            "masked_lm": said if answers is None else torch.zeros(()),
            "vis_pretext": matching_loss(case, model, view),
            "vqa2": torch.zeros(()) if answers is None else answers,
        }
        for name, loss in losses.items():
            case.compare(f"loss/{name}", loss)
        total = sum(losses.values(), torch.zeros(()))
        case.compare("total_loss", total)
        total.backward()
        case.compare_gradients(model)
    case.assert_all_compared()
