"""VOLTA's grammar of sublayers: every config of it is a schedule, and what is not known is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from iconotext.convert.checkpoint import convert, recognise
from iconotext.convert.volta import RELEASES, rules
from iconotext.convert.volta_config import PAGES, published, schedule, system
from iconotext.core.errors import ConfigError
from iconotext.heads.pool import FirstToken, Product, Sum
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.nn.schedule import BOTH, REGION, TEXT, Attend, FeedForward, co_layer, text_layer, twin_layer
from iconotext.nn.terms import Feature, Location, RegionEmbedding
from iconotext.objectives.mix import objectives
from iconotext.systems.vilbert import VILBERT

KINDS = pytest.mark.parametrize("kind", PAGES)
SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "pooler_size": 20}
SMALL |= {f"v_{name}": size for name, size in SMALL.items()} | {"max_position_embeddings": 40}


def small(kind: str, **changes: Any) -> dict[str, Any]:
    lists = {
        name: [n for n in numbers if n < 6] for name, numbers in published(kind).items() if name.endswith("layers")
    }
    return published(kind) | SMALL | lists | {"v_coordinate_embeddings_dim": 1} | changes


def written(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A checkpoint of random numbers, made by running the rules backwards."""
    page = system(config)
    torch.manual_seed(0)
    model = PretrainModel(page, 30, 8, 5, 4)
    own = model.state_dict()
    given = {r: r.give(own[r.target]).clone() for r in rules(page) if r.target in own}
    return {r.source: tensor if r.row is None else tensor[None] for r, tensor in given.items()}


@KINDS
def test_a_published_config_is_the_page(kind: str) -> None:
    assert system(published(kind)) == PAGES[kind]


@pytest.mark.parametrize(
    ("kind", "total", "trunk"),
    [
        ("vilbert", 242_076_029, 239_628_032),
        ("lxmert", 211_369_853, 208_921_856),
        ("uniter", 114_497_405, 112_049_408),
        ("visualbert", 114_882_941, 112_434_944),
        ("vl-bert", 116_066_941, 113_620_480),
    ],
)
def test_parameters_of_the_controlled_versions(kind: str, total: int, trunk: int) -> None:
    """As counted in e-bug/volta with config/ctrl_*.json."""
    with torch.device("meta"):
        model = PretrainModel(PAGES[kind], 30522, 2048, 1601)
    assert (count_parameters(model), count_parameters(model.trunk)) == (total, trunk)


def test_vilbert_as_published_has_its_own_schedule_and_parameters() -> None:
    """config/vilbert_base.json: ViLBERT without the weights that it never uses."""
    wide = {str(n): 1024 for n in range(12, 36, 4)}
    config = published("vilbert") | {
        "v_hidden_size": 1024,
        "v_num_attention_heads": 8,
        "v_intermediate_size": 1024,
        "sublayer2attn_hidden_size": wide,
        "sublayer2num_attention_heads": dict.fromkeys(wide, 8),
    }
    page = system(config)
    assert page.schedule == VILBERT.schedule == 6 * text_layer() + 6 * (co_layer(1024, 8) + twin_layer())
    with torch.device("meta"):
        model = PretrainModel(page, 30522, 2048, 1601)
    assert (count_parameters(model), count_parameters(model.trunk)) == (239_023_229, 235_705_856)


def test_lxmert_on_conceptual_captions_has_three_targets_with_one_hidden_step() -> None:
    """config/lxmert.json, which pools the text alone."""
    config = published("lxmert") | {
        "visual_target_weights": {"3": 6.667, "4": 6.667, "5": 6.667},
        "fusion_method": "text",
        "pooler_size": 768,
        "num_locs": 4,
        "add_global_imgfeat": None,
    }
    page = system(config)
    assert {o.name: o.weight for o in objectives(page.mix) if o.weight > 1} == dict.fromkeys(
        ("mrc_hard", "mrc_attribute", "mrfr"), 6.667
    )
    assert page.layout.whole_image == "none"
    with torch.device("meta"):
        model = PretrainModel(page, 30522, 2048, 1601, 400)
    assert (count_parameters(model), count_parameters(model.trunk)) == (212_265_996, 207_936_768)


def test_sizes_of_single_sublayers() -> None:
    config = small(
        "vilbert",
        tt_attn_sublayers=[0, 2],
        tv_attn_sublayers=[],
        vt_attn_sublayers=[],
        vv_attn_sublayers=[0],
        t_ff_sublayers=[1, 3],
        v_ff_sublayers=[1],
        sublayer2attn_hidden_size={"0": 8, "2": 32},
        sublayer2num_attention_heads={"0": 4},
        sublayer2intermediate_size={"1": 10, "3": 12},
        sublayer2v_intermediate_size={"1": 6},
    )
    assert schedule(config) == (
        Attend(TEXT, REGION, width=8, heads=4, region_width=16, region_heads=2),
        FeedForward(BOTH, hidden=10, region_hidden=6),
        Attend(TEXT, width=32, heads=2),
        FeedForward(TEXT, hidden=12),
    )
    assert convert(RELEASES[0], config, written(config))[1].unfilled == ()


def test_single_and_double_reading_in_one_sublayer() -> None:
    config = small("uniter", vt_attn_sublayers=[0, 4], tv_attn_sublayers=[0, 2, 4], shared_sublayers=[0, 1, 4])
    first, forward, second, own, _, _ = schedule(config)
    assert first == Attend(BOTH, BOTH, tied=True)
    assert forward == FeedForward(BOTH, tied=True)
    assert second == Attend(BOTH, REGION)
    assert own == FeedForward(BOTH)


@pytest.mark.parametrize("numbers", [{"t_ff_sublayers": [1, 7]}, {"t_ff_sublayers": [0, 1]}], ids=["a gap", "twice"])
def test_numbers_have_to_be_whole(numbers: dict[str, list[int]]) -> None:
    with pytest.raises(ConfigError, match="should number its sublayers"):
        schedule(small("vilbert", **numbers))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("add_global_imgfeat", "last"),
        ("fusion_method", "none"),
        ("image_embeddings", "mix_uniter"),
        ("model", "roberta"),
        ("hidden_act", "swish"),
        ("qa_task_weight", 1.0),
        ("itm_dim", 1),
    ],
)
def test_what_is_not_known_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{key} {value!r}; known here"):
        system(small("vilbert", **{key: value}))


@pytest.mark.parametrize("weights", [{"7": 1.0}, {"0": 0.0}, {}])
def test_visual_targets_are_known_ones(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"visual targets .*known here: 0, 1"):
        system(small("vilbert", visual_target_weights=weights))


def test_poolers() -> None:
    assert system(small("vilbert")).pool == Product(20)
    assert system(small("vilbert", fusion_method="sum", fusion_act="tanh")).pool == Sum(20, "tanh")
    assert system(small("vilbert", fusion_method="text")).pool == FirstToken("relu", 20)


def test_locations() -> None:
    assert system(small("vilbert", num_locs=7)).region == RegionEmbedding((Feature(), Location("box7")))
    assert system(small("lxmert", num_locs=4)).region.location == "box4"


@pytest.mark.parametrize("targets", [["0", "2"], ["1"], ["3", "4", "5"], ["6"]])
@KINDS
def test_visual_targets(kind: str, targets: list[str]) -> None:
    config = small(kind, visual_target_weights=dict.fromkeys(targets, 2.0), image_head_ln=True)
    state = written(config)
    release = next(r for r in RELEASES if r.published["image_embeddings"] == kind)
    model, carried = convert(release, config, state)
    assert carried.unfilled == ()
    assert len(model.heads) == 2 + len(targets)
    assert ("region" in model.shared) == (len(targets) > 1)
    assert [o.weight for o in objectives(model.system.mix)] == [1.0, *[2.0] * len(targets), 1.0]


def test_a_hidden_step_without_norm_is_known_for_one_class() -> None:
    with pytest.raises(ConfigError, match="image_head_ln"):
        system(small("vl-bert", visual_target_weights={"1": 1.0}))


@KINDS
def test_a_file_is_recognised(kind: str) -> None:
    config = small(kind)
    release = recognise(RELEASES, written(config), config)
    assert release.name == f"volta/{PAGES[kind].name}"
    with pytest.raises(ConfigError):
        recognise([r for r in RELEASES if r is not release], written(config), config)
