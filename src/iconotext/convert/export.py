"""Our checkpoints to another library's: the rules of a release, run backwards."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from iconotext.convert.rules import Release
from iconotext.core.errors import ConfigError
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System

NOT_COMPUTED = (
    *("name", "title", "paper", "mix", "answer", "layout", "recipe", "dropout", "attention_dropout", "init"),
    *("departures", "sizes"),
)
"""Fields of a page that the numbers of a finished model do not depend on."""


def export(model: PretrainModel, release: Release) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and the state dict of the release's own class, with the weights of ``model``.

    Tied duplicates are left out, as the library's own files leave them out.

    Raises:
        ConfigError: the release is one that we only read, its class computes something else than the model's page says,
            or the model has no head that the class needs.
    """
    if release.config is None:
        raise ConfigError(
            f"{release.name} is read, not written: {release.source} has no config that says what a page says."
        )
    config = release.config(model.system, model.shape)
    differences = differing(model.system, release.system(config))
    if differences:
        raise ConfigError(
            f"{release.source} cannot compute what this {model.system.title} does: {'; '.join(differences)}."
        )
    own = model.state_dict()
    rules = release.rules(model.system)
    missing = sorted({rule.target for rule in rules} - own.keys())
    if missing:
        raise ConfigError(
            f"The model has no {', '.join(missing)}, which {release.source} needs: pre-train it with the objectives of "
            "the system's page."
        )
    return config, {
        rule.source: rule.give(own[rule.target]).clone(memory_format=torch.contiguous_format) for rule in rules
    }


def remaining(model: PretrainModel, release: Release) -> tuple[str, ...]:
    """The model's tensors that have no place in the release, such as heads of objectives that it does not know."""
    placed = {rule.target for rule in release.rules(model.system)}
    return tuple(name for name in model.state_dict() if name not in placed)


def differing(page: System, other: System) -> list[str]:
    """Where two pages compute different things, in words."""
    return [
        f"{field.name} is {_short(mine)}, not {_short(theirs)}"
        for field in dataclasses.fields(System)
        if field.name not in NOT_COMPUTED
        and (mine := getattr(page, field.name)) != (theirs := getattr(other, field.name))
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"
