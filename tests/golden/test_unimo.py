"""UNIMO against numbers made by its original code."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from torch import Tensor

from iconotext.core.batch import Batch, row_of
from iconotext.models.pretrain import PretrainModel
from iconotext.objectives.base import Targets


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = find(metafunc.config.getoption("--golden"), "unimo")
    assert cases, "no recorded case of UNIMO under --golden"
    metafunc.parametrize("case", cases, ids=[case.folder.name for case in cases])


@dataclasses.dataclass
class Inputs:
    """A case as a batch: each row's words, then the tags of its objects, which belong to the source."""

    case: Case
    batch: Batch
    tags: Tensor
    """Where the packed text is a tag."""

    @classmethod
    def of(cls, case: Case) -> Inputs:
        x, rows = case.inputs, len(case.inputs["sequence_valid"])
        none = torch.zeros(rows, 0, dtype=torch.long)
        regions, words = x.get("visual_valid", none), x.get("text_valid", none)
        tags = x.get("obj_ids", none)
        tagged = x["sequence_valid"][:, regions.shape[1] : regions.shape[1] + tags.shape[1]]
        ids = torch.cat([x.get("text_ids", none), tags], 1)
        position = torch.cat([x.get("text_pos_ids", none), x.get("obj_pos_ids", none)], 1)
        valid = torch.cat([words, tagged], 1).bool()
        tag = torch.arange(ids.shape[1]).expand_as(ids) >= words.shape[1]
        text = dataclasses.replace(packed_text(ids, valid), position=position[valid] - 2, source=tag[valid])
        empty = {"image_embedding": case.info["config"]["image_embedding_size"], "image_loc": 5}
        features, location = (x.get(name, torch.zeros(rows, 0, width)) for name, width in empty.items())
        region = packed_region(features, location, regions, 0, whole=True)
        batch = dataclasses.replace(pair_up(text, region), pattern="seq2seq" if looks_back(case) else "full")
        return cls(case, batch, tag[valid])

    def sequence(self, text: Tensor, region: Tensor) -> Tensor:
        """Our states in the original's order of valid slots: regions, tags, words."""
        parts = [region, text[self.tags], text[~self.tags]]
        rows = [
            row_of(self.batch.region.offsets),
            *(row_of(self.batch.text.offsets)[t] for t in (self.tags, ~self.tags)),
        ]
        order = torch.sort(torch.cat(rows), stable=True).indices
        return torch.cat(parts)[order]


def looks_back(case: Case) -> bool:
    """Whether words see only what comes before them; ``check_mask`` checks that it is so."""
    x = case.inputs
    return not all(m[v][:, v].all() for m, v in zip(x["input_mask"], x["sequence_valid"].bool(), strict=True))


def check_mask(case: Case) -> None:
    """The recorded mask is one of the two patterns that we know, on valid slots."""
    x = case.inputs
    words = x["text_valid"].shape[1] if "text_valid" in x else 0
    for mask, valid in zip(x["input_mask"].bool(), x["sequence_valid"].bool(), strict=True):
        length = valid.numel()
        order = torch.full((length,), -1)
        if looks_back(case):
            order[length - words :] = torch.arange(words)
        expected = order[None] <= order[:, None]
        assert torch.equal(mask[valid][:, valid], expected[valid][:, valid])


@torch.no_grad()
def check_states(case: Case, model: PretrainModel) -> set[str]:
    x, inputs = case.inputs, Inputs.of(case)
    encoded = model.trunk(inputs.batch)
    text, region = model.trunk.pooler.sides(encoded)
    ours = {
        "sequence_output": (inputs.sequence(encoded.text, encoded.region), x["sequence_valid"]),
        "visual_output": (encoded.region, x.get("visual_valid")),
        "text_output": (encoded.text[~inputs.tags], x.get("text_valid")),
        "pooled_text": (text, None),
        "pooled_visual": (region, None),
    }
    recorded = ours.keys() & case.outputs.keys()
    for name in recorded:
        case.compare(name, *ours[name])
    return recorded


def check_losses(case: Case, model: PretrainModel) -> set[str]:
    x, inputs = case.inputs, Inputs.of(case)
    slots = torch.full(x["text_valid"].shape, -1)
    slots[x["text_valid"].bool()] = (~inputs.tags).nonzero()[:, 0]
    positions = slots.flatten()[x["tgt_pos"][:, 0]]
    assert (positions >= 0).all()
    view = model.view(inputs.batch)
    case.compare("lm_logits", model.heads["mlm"](view.encoded.text[positions]))
    targets = Targets(positions, x["tgt_label"][:, 0], float(positions.numel()))
    loss = model.objectives["mlm"].loss(model.heads["mlm"], view, targets)
    case.compare("loss/lm", loss.mean)
    case.compare("total_loss", loss.mean)
    loss.mean.backward()
    case.compare_gradients(model)
    return {"lm_logits", "loss/lm", "total_loss", *(name for name in case.outputs if name.startswith("grad/"))}


def test_case(case: Case) -> None:
    check_mask(case)
    model = case.model()
    compared = check_states(case, model)
    if case.info["kind"] == "pretraining":
        compared |= check_losses(case, model)
    assert compared == set(case.outputs), "an output that is not compared"
