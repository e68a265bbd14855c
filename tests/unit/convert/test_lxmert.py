"""LXMERT's configs as pages, every tensor's place, and our models as transformers' and back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from samples import shake
from torch import Tensor
from transformers import LxmertConfig, LxmertForPreTraining

from iconotext.convert import RELEASES, convert
from iconotext.convert.export import export
from iconotext.convert.lxmert import HF, RELEASE
from iconotext.core.batch import Batch, Region, Text, offsets_of
from iconotext.core.errors import ConfigError
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.schedule import Schedule, cross_layer, region_layer, text_layer, twin_layer
from iconotext.objectives.mix import objectives
from iconotext.systems.lxmert import LXMERT

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
    "type_vocab_size": 2,
    "l_layers": 3,
    "r_layers": 1,
    "x_layers": 2,
    "num_qa_labels": 7,
}
ROWS, WORDS, COUNT, FEATURES, CLASSES, ATTRIBUTES = 2, 5, 3, 6, 9, 4


def model_of(**flags: Any) -> PretrainModel:
    torch.manual_seed(0)
    model = PretrainModel(HF.system(SMALL | flags), 40, FEATURES, CLASSES + 1, ATTRIBUTES)
    shake(model)
    return model.eval()


def test_the_published_configs_are_the_page() -> None:
    assert RELEASE.system(RELEASE.published) == LXMERT
    theirs = HF.system(LxmertConfig().to_dict())
    weights = {o.name: o.weight for o in objectives(theirs.mix)}
    assert weights == {o.name: 6.67 if o.weight != 1 else 1 for o in objectives(LXMERT.mix)}
    assert dataclasses.replace(theirs, mix=LXMERT.mix) == LXMERT


@pytest.mark.parametrize(
    ("texts", "regions", "crossings", "expected"),
    [
        (9, 5, 5, 5 * twin_layer() + 4 * text_layer() + 5 * cross_layer()),
        (1, 3, 1, twin_layer() + 2 * region_layer() + cross_layer()),
        (0, 0, 2, 2 * cross_layer()),
    ],
)
def test_counts_of_layers_become_a_schedule(texts: int, regions: int, crossings: int, expected: Schedule) -> None:
    stated = SMALL | {"l_layers": texts, "r_layers": regions, "x_layers": crossings}
    assert HF.system(stated).schedule == expected
    with torch.device("meta"):
        config, _ = export(PretrainModel(HF.system(stated), 40, FEATURES, CLASSES + 1, ATTRIBUTES), HF)
    assert {name: config[name] for name in stated} == stated


@pytest.mark.parametrize("release", [RELEASE, HF], ids=["published", "transformers"])
def test_every_tensor_of_ours_has_a_rule_and_no_place_is_filled_twice(release: Any) -> None:
    page = release.system(release.published)
    with torch.device("meta"):
        own = set(PretrainModel(page, 100, 64, 10, 4).state_dict())
    found = release.rules(page)
    assert {rule.target for rule in found} == own
    places = [(rule.target, rule.part) for rule in found]
    assert len(places) == len(set(places))
    assert len({rule.source for rule in found}) == len(found)


@pytest.mark.parametrize(("key", "value"), [("hidden_act", "relu"), ("visual_pos_dim", 5)])
def test_what_is_not_known_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"The config's {key} is"):
        HF.system(SMALL | {key: value})


def test_tasks_that_were_left_out() -> None:
    page = RELEASE.system(RELEASE.published | {"visual_losses": "obj,feat", "task_qa": False})
    assert {o.name for o in objectives(page.mix)} == {"mlm", "itm", "mrc_hard", "mrfr"}
    assert not any("answer_head" in rule.source or ".attr." in rule.source for rule in RELEASE.rules(page))
    without = RELEASE.rules(RELEASE.system(RELEASE.published | {"task_obj_predict": False}))
    assert not any("obj_predict_head" in rule.source for rule in without)


def inputs() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    return {
        "input_ids": torch.randint(1, 40, (ROWS, WORDS), generator=random),
        "token_type_ids": torch.randint(0, 2, (ROWS, WORDS), generator=random),
        "visual_feats": torch.randn(ROWS, COUNT, FEATURES, generator=random),
        "visual_pos": torch.rand(ROWS, COUNT, 4, generator=random),
    }


def batch_of(x: dict[str, Tensor]) -> Batch:
    many, zeros = ROWS * COUNT, torch.zeros(ROWS * WORDS).long()
    return Batch(
        text=Text(
            ids=x["input_ids"].flatten(),
            position=torch.arange(WORDS).repeat(ROWS),
            segment=x["token_type_ids"].flatten(),
            word=zeros,
            special=zeros > 0,
            link=zeros - 1,
            offsets=offsets_of(torch.full((ROWS,), WORDS)),
        ),
        region=Region(
            features=x["visual_feats"].flatten(0, 1),
            boxes=torch.zeros(many, 4),
            location=x["visual_pos"].flatten(0, 1),
            segment=torch.zeros(many).long(),
            class_probs=torch.zeros(many, 0),
            attributes=torch.full((many,), -1),
            masked=torch.zeros(many, dtype=torch.bool),
            whole=torch.zeros(many, dtype=torch.bool),
            offsets=offsets_of(torch.full((ROWS,), COUNT)),
        ),
        matched=torch.ones(ROWS, dtype=torch.bool),
        position=torch.arange(ROWS),
    )


@pytest.mark.parametrize(
    "flags",
    [{}, {"task_qa": False, "visual_attr_loss": False, "visual_loss_normalizer": 5.0}, {"task_obj_predict": False}],
    ids=["all heads", "some", "no regions' heads"],
)
@torch.no_grad()
def test_transformers_loads_what_we_write_and_computes_the_same(flags: dict[str, Any], tmp_path: Path) -> None:
    model = model_of(**flags)
    config, state = export(model, HF)
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    theirs, info = LxmertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info

    x = inputs()
    states = theirs.eval().lxmert(**x)
    view = model.view(batch_of(x))
    near = {"rtol": 0, "atol": 1e-5}
    torch.testing.assert_close(view.encoded.text.view(ROWS, WORDS, -1), states.language_output, **near)
    torch.testing.assert_close(view.encoded.region.view(ROWS, COUNT, -1), states.vision_output, **near)
    torch.testing.assert_close(view.pooled(), states.pooled_output, **near)
    words, match = theirs.cls(states.language_output, states.pooled_output)
    torch.testing.assert_close(model.heads["mlm"](view.encoded.text).view(ROWS, WORDS, -1), words, **near)
    torch.testing.assert_close(model.heads["itm"](view.pooled()), match, **near)
    if "iqa" in model.heads:
        torch.testing.assert_close(model.heads["iqa"](view.pooled()), theirs.answer_head(states.pooled_output), **near)
    scores = theirs.obj_predict_head(states.vision_output) if config["task_obj_predict"] else {}
    for theirs_name, ours in (("obj", "mrc_hard"), ("attr", "mrc_attribute"), ("feat", "mrfr")):
        assert (ours in model.heads) == (theirs_name in scores)
        if ours in model.heads:
            mine = model.heads[ours](view.encoded.region).view(ROWS, COUNT, -1)
            torch.testing.assert_close(mine, scores[theirs_name], **near)

    back, carried = convert(HF, theirs.config.to_dict(), theirs.state_dict())
    assert carried.unfilled == ()
    own = model.state_dict()
    assert back.state_dict().keys() == own.keys()
    assert all(torch.equal(tensor, own[name]) for name, tensor in back.state_dict().items())
    again, state_again = export(back, HF)
    sizes = {"num_attr_labels", "num_object_labels"}  # those of a head that is not there are not kept
    assert {k: v for k, v in again.items() if k not in sizes} == {k: v for k, v in config.items() if k not in sizes}
    assert all(torch.equal(tensor, state_again[name]) for name, tensor in state.items())


def test_the_original_s_weights_go_to_transformers() -> None:
    """The two layouts differ in a prefix only."""
    page = RELEASE.system(RELEASE.published | {k: v for k, v in SMALL.items() if k != "num_qa_labels"})
    pairs = zip(RELEASE.rules(page), RELEASES["lxmert_hf"].rules(page), strict=True)
    assert all(
        (one.target, one.part, one.source.replace("bert.", "lxmert.", 1)) == (two.target, two.part, two.source)
        for one, two in pairs
    )


def test_a_tiny_model_with_other_norms_is_refused() -> None:
    page = dataclasses.replace(HF.system(SMALL), norm="pre")
    with pytest.raises(ConfigError, match="norm is pre, not post"):
        export(PretrainModel(page, 40, FEATURES, CLASSES + 1, ATTRIBUTES), HF)


def test_a_checkpoint_of_a_task_has_the_trunk_and_an_answer_head() -> None:
    stated = {"llayers": 3, "rlayers": 1, "xlayers": 2, "num_answers": 5}
    config = RELEASE.published | {k: v for k, v in SMALL.items() if k in RELEASE.published} | stated
    page = RELEASE.system(config)
    own = PretrainModel(page, 40, FEATURES, CLASSES + 1, ATTRIBUTES).state_dict()
    state = {
        rule.source.replace("answer_head.logit_fc", "logit_fc")
        if rule.source.startswith("answer_head")
        else f"lxrt_encoder.model.{rule.source}": rule.give(own[rule.target])
        for rule in RELEASE.rules(page)
        if rule.source.startswith(("bert.", "answer_head."))
    }
    model, carried = convert(RELEASE, config, state)
    assert carried.left == {}
    assert not any(name.startswith(("trunk.", "heads.iqa.")) for name in carried.unfilled)
    mine = model.state_dict()
    assert all(torch.equal(mine[n], own[n]) for n in own if n.startswith(("trunk.", "heads.iqa.")))
