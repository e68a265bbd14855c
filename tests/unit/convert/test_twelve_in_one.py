"""12-in-1's options: what each makes of the page, and where its tensors go."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from iconotext.convert import RELEASES, convert, recognise
from iconotext.convert.twelve_in_one import RELEASE, TASKS, rules, system
from iconotext.core.errors import ConfigError, DataError
from iconotext.heads.pool import Product, Sum
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.nn.schedule import REGION, Attend, FeedForward, co_layer, text_layer
from iconotext.nn.terms import TaskToken
from iconotext.objectives.mix import objectives
from iconotext.systems.twelve_in_one import TWELVE_IN_ONE

CONFIG: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
    "v_hidden_size": 12,
    "v_num_hidden_layers": 1,
    "v_num_attention_heads": 3,
    "v_intermediate_size": 20,
    "bi_hidden_size": 24,
    "bi_num_attention_heads": 3,
    "v_biattention_id": [0],
    "t_biattention_id": [1],
}
TASK_SIZES = dict.fromkeys(TASKS, 3)


def written(config: dict[str, Any], **sizes: Any) -> dict[str, torch.Tensor]:
    """A checkpoint of random numbers, made by running the rules backwards."""
    page = system(config)
    torch.manual_seed(0)
    model = PretrainModel(page, 30, 7, 7 if config.get("visual_target") else 5, **sizes)
    own = model.state_dict()
    return {r.source: r.give(own[r.target]).clone() for r in rules(page) if r.target in own}


def test_the_published_config_is_the_page() -> None:
    assert system(RELEASE.published) == TWELVE_IN_ONE


def test_parameters_are_vilberts_and_the_tasks_tokens() -> None:
    """jiasenlu/vilbert_beta counts 250,044,029, of which 11,020,800 are weights that its forward pass never uses."""
    with torch.device("meta"):
        model = PretrainModel(TWELVE_IN_ONE, 30522, 2048, 1601)
    assert count_parameters(model) == 250_044_029 - 11_020_800 + 20 * 768


@pytest.mark.parametrize(("target", "name"), [(0, "mrc_soft"), (1, "mrfr"), (2, "nce")])
def test_visual_targets(target: int, name: str) -> None:
    config = CONFIG | {"visual_target": target}
    model, carried = convert(RELEASE, config, written(config))
    assert set(model.heads) == {"mlm", name, "itm"}
    assert carried.unfilled == ()


def test_pooled_rows_are_multiplied_or_added() -> None:
    assert system(CONFIG).pool == Product(24)
    assert system(CONFIG | {"fusion_method": "sum"}).pool == Sum(24)


def test_task_tokens_are_optional_unless_the_config_says() -> None:
    state = written(CONFIG)
    del state["bert.embeddings.task_embeddings.weight"]
    assert convert(RELEASE, CONFIG, state)[1].unfilled == ("trunk.text.tables.task.weight",)
    page = system(CONFIG | {"task_specific_tokens": False})
    assert not any(isinstance(term, TaskToken) for term in page.text.terms)
    assert any(isinstance(term, TaskToken) for term in system(CONFIG | {"task_specific_tokens": True}).text.terms)


def test_what_tells_it_from_vilbert() -> None:
    """Without any mark the two have the same names and shapes, and it has to be said which is meant."""
    plain = CONFIG | {"task_specific_tokens": False}
    bare = written(plain)
    either = [RELEASES["vilbert_beta"], RELEASE]
    with pytest.raises(ConfigError, match="may be vilbert_beta or vilbert_multitask: say which"):
        recognise(either, bare, CONFIG)
    for mark in ("visual_target", "dynamic_attention", "task_specific_tokens"):
        assert recognise(either, bare, CONFIG | {mark: 0}) is RELEASE
    assert recognise(either, written(CONFIG), CONFIG) is RELEASE
    assert recognise(either, written(plain, tasks={"vqa": 3}), CONFIG) is RELEASE
    beta = bare | {f"vil_prediction.main.{i}.weight_v": torch.zeros(2, 2) for i in (0, 3)}
    assert recognise(either, beta, CONFIG) is either[0]


def test_heads_of_tasks_come_as_far_as_they_are_there() -> None:
    state = written(CONFIG, tasks=TASK_SIZES)
    model, _ = convert(RELEASE, CONFIG, state)
    assert set(model.tasks) == set(TASKS)
    some = {key: value for key, value in state.items() if not key.startswith("vil_prediction.")}
    assert set(convert(RELEASE, CONFIG, some)[0].tasks) == set(TASKS) - {"vqa"}
    del some["vision_logit.weight"]
    with pytest.raises(DataError, match=r"vision_logit\.weight is missing"):
        convert(RELEASE, CONFIG, some)


def test_gates_of_dynamic_attention() -> None:
    config = CONFIG | {"dynamic_attention": True, "v_num_hidden_layers": 3, "v_biattention_id": [1]}
    gate = (Attend(region=REGION, gate=True), FeedForward(REGION))
    expected = text_layer() + gate + co_layer(24, 3) + gate + gate + text_layer()
    assert system(config).schedule == expected
    state = written(config)
    assert state["bert.encoder.v_layer.2.attention.self.dyLinear_k.weight"].shape == (12, 16)
    assert convert(RELEASE, config, state)[1].unfilled == ()


def test_mismatched_pairs_are_matched_and_nothing_else() -> None:
    gated = {o.name: getattr(o, "only_matched", False) for o in objectives(TWELVE_IN_ONE.mix)}
    assert gated == {"mlm": True, "mrc_soft": True, "itm": False}
    assert RELEASES["vilbert_multitask"] is RELEASE
