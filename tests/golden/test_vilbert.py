"""ViLBERT against numbers made by its original code."""

from __future__ import annotations

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from torch import Tensor

from iconotext.core.batch import Batch
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.schedule import Attend
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = find(metafunc.config.getoption("--golden"), "vilbert_beta")
    assert cases, "no recorded case of ViLBERT under --golden"
    metafunc.parametrize("case", cases, ids=[case.folder.name for case in cases])


def batch_of(case: Case) -> Batch:
    x = case.inputs
    text = packed_text(x["input_ids"], x["attention_mask"], x.get("token_type_ids"))
    region = packed_region(x["image_feat"], x["image_loc"], x["image_attention_mask"], 0, whole=True)
    matched = x["next_sentence_label"].reshape(-1) == 0 if "next_sentence_label" in x else None
    return pair_up(text, region, matched)


def check_states(case: Case, model: PretrainModel, batch: Batch) -> None:
    words, regions = case.inputs["attention_mask"], case.inputs["image_attention_mask"]
    embedded = model.trunk.embed(batch)
    case.compare("embedding_output", embedded["text"], words)
    case.compare("visual_embedding_output", embedded["region"], regions)
    connections = [
        i + 1 for i, layer in enumerate(model.system.schedule) if isinstance(layer, Attend) and "region" in layer.text
    ]
    checked = 0

    def watch(index: int, streams: Streams) -> None:
        nonlocal checked
        if index in connections:
            number = connections.index(index)
            case.compare(f"connection.{number}.t", streams["text"], words)
            case.compare(f"connection.{number}.v", streams["region"], regions)
            checked += 1

    encoded = model.trunk(batch, watch)
    assert checked == len(connections)
    case.compare("sequence_output_t", encoded.text, words)
    case.compare("sequence_output_v", encoded.region, regions)
    text, region = model.trunk.pooler.sides(encoded)
    assert region is not None
    case.compare("pooled_output_t", text)
    case.compare("pooled_output_v", region)
    case.compare("prediction_scores_t", model.heads["mlm"](encoded.text), words)
    case.compare("prediction_scores_v", model.heads["mrc_soft"](encoded.region), regions)
    case.compare("seq_relationship_score", model.heads["itm"](model.trunk.pool(encoded)))


def test_case(case: Case) -> None:
    model = case.model()
    batch = batch_of(case)
    with torch.no_grad():
        check_states(case, model, batch)
    if case.info["kind"] != "pretraining":
        return
    x = case.inputs
    words, regions = x["attention_mask"].bool(), x["image_attention_mask"].bool()
    view = model.view(batch)
    labels = x["masked_lm_labels"][words]
    positions = (labels != -1).nonzero()[:, 0]
    targets = {"mlm": Targets(positions, labels[positions], float(positions.numel()))}
    label = torch.nn.functional.pad(x["image_label"], (1, 0), value=-1)
    target = torch.nn.functional.pad(x["image_target"], (0, 0, 1, 0))
    positions = (label[regions] == 1).nonzero()[:, 0]
    targets["mrc_soft"] = Targets(positions, target[regions][positions], float(positions.numel()))
    targets["itm"] = Targets(torch.arange(len(batch)), x["next_sentence_label"].reshape(-1), float(len(batch)))

    names = {"mlm": "masked_lm", "mrc_soft": "masked_img", "itm": "next_sentence"}
    total: Tensor = torch.zeros(())
    for name, theirs in names.items():
        loss = model.objectives[name].loss(model.heads[name], view, targets[name])
        case.compare(f"loss/{theirs}", loss.mean)
        total = total + loss.mean
    case.compare("total_loss", total)
    total.backward()
    case.compare_gradients(model)
