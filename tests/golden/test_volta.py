"""VOLTA's networks against numbers made by their original code.

What is compared: every recorded output at every valid position. VL-BERT's code reads the last slot of the padded batch,
padding or not, and moves the places of words that lie behind the end of the shortest text. Both are bugs that our layout does
not have (docs/decisions/0004-volta-vlbert-padding.md); but a batch can say what the original read, so the batch made here
does: the places of the words are the moved ones, and where a row's last slot is padding, its words name a region that lies in
a row of its own, which nothing attends to.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cases import Case, find, packed_region, packed_text, pair_up
from torch import Tensor

from iconotext.convert import RELEASES
from iconotext.core.batch import Batch
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.streams import Streams
from iconotext.objectives.base import Targets

SYSTEMS = [name for name in RELEASES if name.startswith("volta/")]
OBJECTIVES = {"mlm": "masked_lm", "mrc_soft": "masked_img", "itm": "pair_match"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = [case for system in SYSTEMS for case in find(metafunc.config.getoption("--golden"), system)]
    assert cases, "no recorded case of VOLTA under --golden"
    names = [f"{case.info['system'].removeprefix('volta/')}-{case.folder.name}" for case in cases]
    metafunc.parametrize("case", cases, ids=names)


def looks(case: Case) -> bool:
    """Whether words carry what a region looks like."""
    return case.info["config"]["image_embeddings"] == "vl-bert"


def whole(case: Case) -> bool:
    """Whether slot 0 is the whole image."""
    return case.info["config"]["add_global_imgfeat"] == "first"


def location(case: Case) -> Tensor:
    """The boxes as the network reads them: as they are, not at all, or as hundredths of centre and size."""
    x, kind = case.inputs["image_loc"], case.info["config"]["image_embeddings"]
    if kind != "vl-bert":
        return x[..., :0] if kind == "visualbert" else x
    corner, end = x[..., :2], x[..., 2:4]
    return 100 * torch.cat([(corner + end) / 2, end - corner], dim=-1)


def with_spare_rows(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, locations, which slots are valid and the first row's number of a spare region.

    For each row whose last slot is padding a row is added that holds this slot alone.
    """
    x = case.inputs
    features, places, valid = x["image_feat"], location(case), x["image_attention_mask"].bool()
    spare = ~valid[:, -1] if looks(case) else torch.zeros(len(valid), dtype=torch.bool)
    alone = torch.zeros_like(valid[spare])
    alone[:, -1] = True
    parts = (features, features[spare]), (places, places[spare]), (valid, alone)
    features, places, valid = (torch.cat(part) for part in parts)
    return features, places, valid, spare


def batch_of(case: Case) -> Batch:
    x = case.inputs
    features, places, valid, spare = with_spare_rows(case)
    words = torch.cat([x["attention_mask"], torch.zeros_like(x["attention_mask"][spare])]).bool()
    ids, segment = (torch.cat([x[name], x[name][spare]]) for name in ("input_ids", "token_type_ids"))
    masked = (features == 0).all(-1)
    segments = {"vilbert": 0, "lxmert": 0, "uniter": 1, "visualbert": 1, "vl-bert": 2}
    kind = segments[case.info["config"]["image_embeddings"]]
    region = packed_region(features, places, valid, kind, masked, whole=whole(case))
    region = dataclasses.replace(region, whole=region.whole & ~spare_tokens(valid, spare))
    text = packed_text(ids, words, segment)
    if looks(case):
        ends = (x["input_ids"] != 0).sum(1)
        moved = text.position + x["image_feat"].shape[1] * (text.position >= ends.min())
        row = torch.arange(len(words)).repeat_interleave(words.sum(1))
        begin = region.offsets[:-1]
        named = begin[len(spare) :].new_full((len(words),), -1)
        named[: len(spare)][spare] = begin[len(spare) :] - begin[: len(spare)][spare]
        text = dataclasses.replace(text, position=moved, link=named[row])
    return pair_up(text, region)


def spare_tokens(valid: Tensor, spare: Tensor) -> Tensor:
    """Which packed regions are spare ones."""
    rows = torch.arange(len(valid))[:, None].expand_as(valid)[valid]
    return rows >= len(spare)


@dataclasses.dataclass
class Inputs:
    """A case as a batch, and where its valid positions are."""

    case: Case
    batch: Batch
    words: Tensor
    regions: Tensor
    real: int
    """Packed regions that are not spare ones, which come last."""

    @classmethod
    def of(cls, case: Case) -> Inputs:
        words, regions = case.inputs["attention_mask"], case.inputs["image_attention_mask"]
        return cls(case, batch_of(case), words, regions, int(regions.sum()))

    def compare(self, name: str, streams: Streams) -> None:
        self.case.compare(f"{name}.t", streams["text"], self.words)
        self.case.compare(f"{name}.v", streams["region"][: self.real], self.regions)


def check_states(inputs: Inputs, model: PretrainModel) -> None:
    case, batch, rows = inputs.case, inputs.batch, len(inputs.words)
    embedded = model.trunk.embed(batch)
    case.compare("embedding_output", embedded["text"], inputs.words)
    case.compare("visual_embedding_output", embedded["region"][: inputs.real], inputs.regions)

    def watch(index: int, streams: Streams) -> None:
        if f"sublayer.{index}.t" in case.outputs:
            inputs.compare(f"sublayer.{index}", streams)

    encoded = model.trunk(batch, watch)
    case.compare("sequence_output_t", encoded.text, inputs.words)
    case.compare("sequence_output_v", encoded.region[: inputs.real], inputs.regions)
    text, region = model.trunk.pooler.sides(encoded)
    case.compare("pooled_output_t", text[:rows])
    if region is not None:
        case.compare("pooled_output_v", region[:rows])
    case.compare("prediction_scores_t", model.heads["mlm"](encoded.text), inputs.words)
    scores = model.heads["mrc_soft"](encoded.region[: inputs.real])
    case.compare("prediction_scores_v", scores, inputs.regions)
    case.compare("seq_relationship_score", model.heads["itm"](model.trunk.pool(encoded)[:rows]))


def targets_of(inputs: Inputs) -> dict[str, Targets]:
    x, rows = inputs.case.inputs, len(inputs.words)
    words, regions = inputs.words.bool(), inputs.regions.bool()
    labels = x["masked_lm_labels"][words]
    positions = (labels != -1).nonzero()[:, 0]
    found = {"mlm": Targets(positions, labels[positions], float(positions.numel()))}
    before = int(whole(inputs.case))
    label = torch.nn.functional.pad(x["image_label"], (before, 0), value=-1)
    target = torch.nn.functional.pad(x["image_cls"], (0, 0, before, 0))
    positions = (label[regions] == 1).nonzero()[:, 0]
    found["mrc_soft"] = Targets(positions, target[regions][positions], float(positions.numel()))
    found["itm"] = Targets(torch.arange(rows), x["next_sentence_label"].view(-1), float(rows))
    return found


def check_losses(inputs: Inputs, model: PretrainModel) -> None:
    case, rows = inputs.case, len(inputs.words)
    view = model.view(inputs.batch)
    view = dataclasses.replace(view, pooled=lambda: model.trunk.pool(view.encoded)[:rows])
    total: Tensor = torch.zeros(())
    for name, targets in targets_of(inputs).items():
        objective = model.objectives[name]
        loss = objective.weight * objective.loss(model.heads[name], view, targets).mean
        case.compare(f"loss/{OBJECTIVES[name]}", loss)
        total = total + loss
    case.compare("total_loss", total)
    total.backward()
    case.compare_gradients(model)


def test_case(case: Case) -> None:
    model = case.model()
    inputs = Inputs.of(case)
    with torch.no_grad():
        check_states(inputs, model)
    if case.info["kind"] == "pretraining":
        check_losses(inputs, model)
    case.assert_all_compared()
