"""BERT against numbers made by the class of transformers."""

from __future__ import annotations

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from torch import Tensor

from iconotext.core.batch import Batch
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = find(metafunc.config.getoption("--golden"), "bert_hf")
    assert cases, "no recorded case of BERT under --golden"
    metafunc.parametrize("case", cases, ids=[case.folder.name for case in cases])


def batch_of(case: Case) -> Batch:
    x = case.inputs
    nothing = torch.zeros(len(x["input_ids"]), 1)
    text = packed_text(x["input_ids"], x["attention_mask"], x.get("token_type_ids"))
    return pair_up(text, packed_region(nothing[..., None], nothing[..., None], nothing, 0))


def check_states(case: Case, model: PretrainModel, batch: Batch) -> None:
    words = case.inputs["attention_mask"]
    case.compare("embedding_output", model.trunk.embed(batch)["text"], words)

    def watch(index: int, streams: Streams) -> None:
        name = f"hidden_states.{index // 2 + 1}"
        if index % 2 and name in case.outputs:
            case.compare(name, streams["text"], words)

    encoded = model.trunk(batch, watch)
    pooled = model.trunk.pool(encoded)
    case.compare("last_hidden_state", encoded.text, words)
    case.compare("pooled_output", pooled)
    case.compare("prediction_logits", model.heads["mlm"](encoded.text), words)
    case.compare("seq_relationship_logits", model.heads["nsp"](pooled))


def check_losses(case: Case, model: PretrainModel, batch: Batch) -> None:
    x, view = case.inputs, model.view(batch)
    labels = x["labels"][x["attention_mask"].bool()]
    positions = (labels != -100).nonzero()[:, 0]
    targets = {
        "mlm": Targets(positions, labels[positions], float(positions.numel())),
        "nsp": Targets(torch.arange(len(batch)), x["next_sentence_label"].reshape(-1), float(len(batch))),
    }
    total: Tensor = torch.zeros(())
    for name, target in targets.items():
        loss = model.objectives[name].loss(model.heads[name], view, target).mean
        case.compare(f"loss/{name}", loss)
        total = total + loss
    case.compare("total_loss", total)
    total.backward()
    case.compare_gradients(model)


def test_case(case: Case) -> None:
    model, batch = case.model(), batch_of(case)
    with torch.no_grad():
        check_states(case, model, batch)
    if case.info["kind"] == "pretraining":
        check_losses(case, model, batch)
    case.assert_all_compared()
