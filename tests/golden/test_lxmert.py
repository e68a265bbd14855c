"""LXMERT, as published and as transformers has it, against numbers made by each."""

from __future__ import annotations

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from torch import Tensor

from iconotext.core.batch import Batch
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.schedule import FeedForward
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets

HEADS = {"obj": "mrc_hard", "attr": "mrc_attribute", "feat": "mrfr"}
OBJECTIVES = {"mlm": "mlm", "matched": "itm", "qa": "iqa", **HEADS}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folder = metafunc.config.getoption("--golden")
    found = [*find(folder, "lxmert"), *find(folder, "lxmert_hf")]
    assert found, "no recorded case of LXMERT under --golden"
    metafunc.parametrize("case", found, ids=[f"{case.info['system']}-{case.folder.name}" for case in found])


def valid(case: Case) -> tuple[Tensor, Tensor]:
    """Which padded text and region slots hold something; LXMERT's pre-training class takes no mask of regions."""
    x = case.inputs
    return x["attention_mask"], x.get("visual_attention_mask", torch.ones(x["visual_feats"].shape[:2]))


def batch_of(case: Case) -> Batch:
    x = case.inputs
    words, regions = valid(case)
    text = packed_text(x["input_ids"], words, x.get("token_type_ids"))
    matched = x["matched_label"].reshape(-1) == 1 if "matched_label" in x else None
    return pair_up(text, packed_region(x["visual_feats"], x["visual_pos"], regions, 0), matched)


def check_states(case: Case, model: PretrainModel, batch: Batch) -> None:
    words, regions = valid(case)
    embedded = model.trunk.embed(batch)
    case.compare("embedding_output", embedded["text"], words)
    case.compare("visual_embedding_output", embedded["region"], regions)
    after: dict[str, list[Tensor]] = {"text": [], "region": []}

    def watch(index: int, streams: Streams) -> None:
        layer = model.system.schedule[index]
        if isinstance(layer, FeedForward):
            for stream in layer.streams:
                after[stream].append(streams[stream])

    encoded = model.trunk(batch, watch)
    for stream, theirs, slots in (("text", "language", words), ("region", "vision", regions)):
        for name in case.outputs:
            if name.startswith(f"{theirs}_hidden_states."):
                case.compare(name, after[stream][int(name.split(".")[1])], slots)
        case.compare(f"{theirs}_output", after[stream][-1], slots)
    pooled = model.trunk.pool(encoded)
    case.compare("pooled_output", pooled)
    case.compare("prediction_logits", model.heads["mlm"](encoded.text), words)
    case.compare("cross_relationship_score", model.heads["itm"](pooled))
    if "iqa" in model.heads:
        case.compare("question_answering_score", model.heads["iqa"](pooled))
    for theirs, ours in HEADS.items():
        if ours in model.heads:
            case.compare(f"visual_scores/{theirs}", model.heads[ours](encoded.region), regions)


def targets_of(case: Case) -> dict[str, Targets]:
    """What each loss scores, from the original's labels; region losses are divided by all slots, padding included."""
    x = case.inputs
    words, regions = (slots.bool() for slots in valid(case))
    labels, answers = x["lm_labels"][words], x["ans"].reshape(-1)
    said, asked = (labels >= 0).nonzero()[:, 0], (answers >= 0).nonzero()[:, 0]
    rows = torch.arange(len(words))
    found = {
        "mlm": Targets(said, labels[said], float(said.numel())),
        "matched": Targets(rows, x["matched_label"].reshape(-1), float(len(rows))),
        "qa": Targets(asked, answers[asked], float(asked.numel())),
    }
    every = torch.arange(int(regions.sum()))
    for name in ("obj", "attr"):
        weights = x[f"{name}_conf"][regions].float()
        found[name] = Targets(every, x[f"{name}_label"][regions], float(regions.numel()), weights)
    hidden = x["feat_mask"][regions].nonzero()[:, 0]
    values = x["feat_target"][regions][hidden]
    found["feat"] = Targets(hidden, values, float(regions.numel() * values.shape[1]))
    return found


def test_case(case: Case) -> None:
    model, batch = case.model(), batch_of(case)
    with torch.no_grad():
        check_states(case, model, batch)
    if case.info["kind"] == "pretraining":
        targets, view = targets_of(case), model.view(batch)
        total: Tensor = torch.zeros(())
        for theirs, ours in OBJECTIVES.items():
            if ours in model.objectives:
                objective = model.objectives[ours]
                loss = objective.weight * objective.loss(model.heads[ours], view, targets[theirs]).mean
                case.compare(f"loss/{theirs}", loss)
                total = total + loss
        case.compare("total_loss", total)
        total.backward()
        case.compare_gradients(model)
    case.assert_all_compared()
