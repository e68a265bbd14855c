"""VisualBERT against numbers made by its original code and by the class of transformers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from torch import Tensor

from iconotext.core.batch import Batch
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.nn.pattern import Geometry
from iconotext.nn.schedule import BOTH, Attend
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets


@dataclass(frozen=True)
class Recorded:
    """What the two codes call their inputs and outputs; ``ignored`` marks words that are not scored."""

    words: str
    features: str
    regions: str
    segments: str
    word_labels: str
    match_labels: str
    ignored: int
    states: str
    word_scores: str
    match_scores: str
    losses: tuple[str, str]


NAMES = {
    "visualbert": Recorded(
        *(
            "input_mask",
            "visual_embeddings",
            "image_mask",
            "visual_embeddings_type",
            "masked_lm_labels",
            "is_random_next",
        ),
        *(-1, "sequence_output", "logits", "seq_relationship_score", ("masked_lm", "next_sentence")),
    ),
    "visualbert_hf": Recorded(
        *("attention_mask", "visual_embeds", "visual_attention_mask", "visual_token_type_ids", "labels"),
        *("sentence_image_labels", -100, "last_hidden_state", "prediction_logits", "seq_relationship_logits"),
        ("mlm", "sentence_image"),
    ),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    found = {system: find(metafunc.config.getoption("--golden"), system) for system in NAMES}
    assert all(found.values()), f"no recorded case of {[name for name in found if not found[name]]} under --golden"
    cases = [(system, case) for system in found for case in found[system]]
    metafunc.parametrize("case", [case for _, case in cases], ids=[f"{s}-{case.folder.name}" for s, case in cases])


def batch_of(case: Case, names: Recorded, page: System) -> Batch:
    """The batch; regions of no stated segment have the original's 0 or transformers' 1, as the page says."""
    x = case.inputs
    valid = x[names.regions].bool()
    features = x[names.features]
    region = packed_region(features, features[..., :0], valid, page.layout.region_segment)
    if names.segments in x:
        region = dataclasses.replace(region, segment=x[names.segments][valid])
    if "image_text_alignment" in x:
        region = dataclasses.replace(region, linked=x["image_text_alignment"][valid])
    return pair_up(packed_text(x["input_ids"], x[names.words], x.get("token_type_ids")), region)


def joined(batch: Batch, text: Tensor, region: Tensor) -> Tensor:
    """Our packed streams as the original's valid slots: each row's words, then its regions."""
    rectangle = Geometry(batch).rectangle(BOTH)
    return rectangle.pad(torch.cat([text, region]))[rectangle.filled]


def check_states(case: Case, names: Recorded, model: PretrainModel, batch: Batch) -> None:
    words = case.inputs[names.words]
    valid = torch.cat([words, case.inputs[names.regions]], 1)
    embedded = model.trunk.embed(batch)
    case.compare("embedding_output", joined(batch, embedded["text"], embedded["region"]), valid)
    together = [isinstance(layer, Attend) and layer.read == BOTH for layer in model.system.schedule[::2]]

    def watch(index: int, streams: Streams) -> None:
        name = f"hidden_states.{index // 2 + 1}"
        if index % 2 and name in case.outputs and together[index // 2]:
            case.compare(name, joined(batch, streams["text"], streams["region"]), valid)
        elif index % 2 and name in case.outputs:
            case.compare(name, streams["text"], words)

    encoded = model.trunk(batch, watch)
    states, pooled = joined(batch, encoded.text, encoded.region), model.trunk.pool(encoded)
    case.compare(names.states, states, valid)
    case.compare("pooled_output", pooled)
    if "mlm" in model.heads:
        case.compare(names.word_scores, model.heads["mlm"](states), valid)
        case.compare(names.match_scores, model.heads["itm"](pooled))
    else:
        case.compare(names.word_scores, model.heads["itm"](pooled))


def targets_of(case: Case, names: Recorded) -> dict[str, Targets]:
    """What is scored: words at the positions of the text, and rows. A statement's truth is a row's label as well."""
    x, targets = case.inputs, {}
    if names.word_labels in x:
        words = x[names.words].bool()
        labels = x[names.word_labels][:, : words.shape[1]][words]
        positions = (labels != names.ignored).nonzero()[:, 0]
        targets["mlm"] = Targets(positions, labels[positions], float(positions.numel()))
    label = x.get(names.match_labels, x.get("label"))
    if label is not None:
        targets["itm"] = Targets(torch.arange(label.numel()), label.reshape(-1), float(label.numel()))
    return targets


def check_losses(case: Case, names: Recorded, model: PretrainModel, batch: Batch) -> None:
    view = model.view(batch)
    recorded = dict(zip(("mlm", "itm"), names.losses))
    total: Tensor = torch.zeros(())
    for name, targets in targets_of(case, names).items():
        loss = model.objectives[name].loss(model.heads[name], view, targets).mean
        if f"loss/{recorded[name]}" in case.outputs:
            case.compare(f"loss/{recorded[name]}", loss)
        total = total + loss
    case.compare("total_loss", total)
    total.backward()
    case.compare_gradients(model)


def test_case(case: Case) -> None:
    names, model = NAMES[case.info["system"]], case.model()
    batch = batch_of(case, names, model.system)
    with torch.no_grad():
        check_states(case, names, model, batch)
    if case.info["kind"] == "pretraining":
        check_losses(case, names, model, batch)
    case.assert_all_compared()
