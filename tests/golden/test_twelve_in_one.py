"""12-in-1 against numbers made by its original code."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from torch import Tensor

from iconotext.core.batch import TASK, Batch
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.schedule import Attend
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets
from iconotext.objectives.mix import objectives

HEADS = {
    "vqa": "vil_prediction",
    "gqa": "vil_prediction_gqa",
    "entailment": "vil_tri_prediction",
    "match": "vil_logit",
}
"""What reads the pooled pair."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = find(metafunc.config.getoption("--golden"), "vilbert_multitask")
    assert cases, "no recorded case of 12-in-1 under --golden"
    metafunc.parametrize("case", cases, ids=[case.folder.name for case in cases])


def with_task(case: Case, name: str, token: Tensor) -> Tensor:
    """An input [B, T], with the task's token after [CLS] where the case has one."""
    x = case.inputs[name]
    return torch.cat([x[:, :1], token, x[:, 1:]], dim=1) if "task_ids" in case.inputs else x


def words_of(case: Case) -> Tensor:
    """The text slots that hold something, the task's token among them."""
    return with_task(case, "attention_mask", torch.ones_like(case.inputs["attention_mask"][:, :1]))


def batch_of(case: Case) -> Batch:
    x = case.inputs
    nothing = torch.zeros_like(x["input_ids"][:, :1])
    ids = with_task(case, "input_ids", TASK - x["task_ids"].view(-1, 1) if "task_ids" in x else nothing)
    text = packed_text(ids, words_of(case), with_task(case, "token_type_ids", nothing))
    if "task_ids" in x:  # the token has no position of its own, and the words keep theirs
        text = dataclasses.replace(text, position=text.position - (text.position > 0).long())
    region = packed_region(x["image_feat"], x["image_loc"], x["image_attention_mask"], 0, whole=True)
    return pair_up(text, region, x["next_sentence_label"].view(-1) == 0 if "next_sentence_label" in x else None)


def check_states(case: Case, model: PretrainModel, batch: Batch) -> None:
    words, regions = words_of(case), case.inputs["image_attention_mask"]
    embedded = model.trunk.embed(batch)
    case.compare("embedding_output", embedded["text"], words)
    case.compare("visual_embedding_output", embedded["region"], regions)
    layers = enumerate(model.system.schedule)
    connections = [i + 1 for i, layer in layers if isinstance(layer, Attend) and "region" in layer.text]

    def watch(index: int, streams: Streams) -> None:
        if index in connections:
            case.compare(f"connection.{connections.index(index)}.t", streams["text"], words)
            case.compare(f"connection.{connections.index(index)}.v", streams["region"], regions)

    encoded = model.trunk(batch, watch)
    case.compare("sequence_output_t", encoded.text, words)
    case.compare("sequence_output_v", encoded.region, regions)
    text, region = model.trunk.pooler.sides(encoded)
    assert region is not None
    case.compare("pooled_output_t", text)
    case.compare("pooled_output_v", region)


def check_heads(case: Case, model: PretrainModel, batch: Batch) -> None:
    """The heads of pre-training; a model for the tasks has them under other names, with its own beside them."""
    words, regions = words_of(case), case.inputs["image_attention_mask"]
    tasks = bool(model.tasks)
    view = model.view(batch)
    image = next(name for name in model.heads if name not in ("mlm", "itm"))
    match = model.heads["itm"](view.pooled())
    case.compare(
        "linguisic_prediction" if tasks else "prediction_scores_t", model.heads["mlm"](view.encoded.text), words
    )
    scores = model.heads[image](view.encoded.region)
    case.compare("vision_prediction" if tasks else "prediction_scores_v", scores, regions)
    if not tasks:
        case.compare("seq_relationship_score", match)
        return
    for ours, theirs in HEADS.items():
        case.compare(theirs, model.scores(ours, view))
    case.compare("vil_binary_prediction", match if len(batch) % 2 else model.scores("two_images", view))
    case.compare("vision_logit", model.scores("region", view), regions)
    case.compare("linguisic_logit", model.scores("word", view), words)


def check_losses(case: Case, model: PretrainModel, batch: Batch) -> None:
    x = case.inputs
    words, regions = x["attention_mask"].bool(), x["image_attention_mask"].bool()
    view = model.view(batch)
    labels = x["masked_lm_labels"][words]
    positions = (labels != -1).nonzero()[:, 0]
    targets = {"mlm": Targets(positions, labels[positions], float(positions.numel()))}
    label = torch.nn.functional.pad(x["image_label"], (1, 0), value=-1)
    values = torch.nn.functional.pad(x["image_target"], (0, 0, 1, 0))[regions]
    positions = (label[regions] == 1).nonzero()[:, 0]
    per = values.shape[1] if "mrfr" in model.heads else 1
    image = next(o.name for o in objectives(model.system.mix) if o.name not in ("mlm", "itm"))
    targets[image] = Targets(positions, values[positions], float(per * positions.numel()))
    targets["itm"] = Targets(torch.arange(len(batch)), x["next_sentence_label"].view(-1), float(len(batch)))
    total: Tensor = torch.zeros(())
    for name, theirs in {"mlm": "masked_lm", image: "masked_img", "itm": "next_sentence"}.items():
        loss = model.objectives[name].loss(model.heads[name], view, targets[name])
        case.compare(f"loss/{theirs}", loss.mean)
        total = total + loss.mean
    case.compare("total_loss", total)
    total.backward()
    case.compare_gradients(model)


def test_case(case: Case) -> None:
    model = case.model()
    batch = batch_of(case)
    with torch.no_grad():
        check_states(case, model, batch)
        check_heads(case, model, batch)
    if case.info["kind"] == "pretraining":
        check_losses(case, model, batch)
    case.assert_all_compared()
