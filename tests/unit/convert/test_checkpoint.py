"""Whole checkpoints: recognised, converted, or refused with a reason."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from iconotext.convert import RELEASES, convert, recognise
from iconotext.core.errors import ConfigError, DataError
from iconotext.models.pretrain import PretrainModel

UNITER = RELEASES["uniter"]
CONFIG: dict[str, Any] = {
    **UNITER.published,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}


@pytest.fixture
def state() -> dict[str, Tensor]:
    """A small UNITER as it would be published."""
    torch.manual_seed(0)
    model = PretrainModel(UNITER.system(CONFIG), 30, 6, 5)
    own, found = model.state_dict(), {}
    for rule in UNITER.rules(model.system):
        given = rule.give(own[rule.target])
        found[rule.source] = given if rule.row is None else torch.stack([torch.zeros_like(given), given])
    return found


def test_it_is_recognised_by_names_and_shapes(state: dict[str, Tensor]) -> None:
    assert recognise(RELEASES.values(), state, CONFIG) is UNITER
    assert recognise(RELEASES.values(), {f"module.{name}": tensor for name, tensor in state.items()}, CONFIG) is UNITER


def test_two_releases_of_one_layout_are_asked_for_by_name(state: dict[str, Tensor]) -> None:
    with pytest.raises(ConfigError, match=r"may be uniter or other: say which \(--from NAME\)"):
        recognise([UNITER, dataclasses.replace(UNITER, name="other")], state, CONFIG)


def test_what_is_nearly_known_is_told_what_is_wrong(state: dict[str, Tensor]) -> None:
    del state["uniter.pooler.dense.bias"]
    with pytest.raises(ConfigError, match=r"(?s)The nearest is uniter: .*uniter\.pooler\.dense\.bias is missing"):
        recognise(RELEASES.values(), state, CONFIG)


def test_what_is_not_known_at_all_is_not_compared_with_anything() -> None:
    with pytest.raises(ConfigError, match=r"No release known here has these tensors\.$"):
        recognise(RELEASES.values(), {"resnet.conv1.weight": torch.zeros(1)})


def test_without_a_config_the_published_one_is_meant(state: dict[str, Tensor]) -> None:
    with pytest.raises(ConfigError, match=r"needs \(768,\)"):
        recognise(RELEASES.values(), state)


def test_a_setting_that_is_not_stated_is_named(state: dict[str, Tensor]) -> None:
    config = {name: value for name, value in CONFIG.items() if name != "intermediate_size"}
    with pytest.raises(
        ConfigError, match=r"uniter: the config states no 'intermediate_size'\. Give .* \(--config FILE\)"
    ):
        convert(UNITER, config, state)


@pytest.mark.parametrize("key", ["uniter.embeddings.word_embeddings.weight", "uniter.img_embeddings.img_linear.weight"])
def test_a_tensor_that_states_a_size_is_named_when_it_is_missing_or_flat(state: dict[str, Tensor], key: str) -> None:
    rest = {name: tensor for name, tensor in state.items() if name != key}
    with pytest.raises(DataError, match=f"{key} is missing"):
        convert(UNITER, CONFIG, rest)
    with pytest.raises(DataError, match=rf"{key} has shape \(\)"):
        convert(UNITER, CONFIG, rest | {key: torch.zeros(())})


def test_every_release_states_its_published_config() -> None:
    for release in RELEASES.values():
        assert release.published, release.name
        assert release.rules(release.system(release.published))
