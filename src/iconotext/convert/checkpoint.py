"""A checkpoint as a whole: to our model by its release, and which release it is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from iconotext.convert.carry import Carried, carry, modern_names, part_of
from iconotext.convert.rules import Release
from iconotext.core.errors import ConfigError, DataError, IconotextError
from iconotext.models.pretrain import PretrainModel

NEAR = 0.5
"""Share of a checkpoint's names that a release has to know for its complaint to be worth showing."""


class Stated(dict[str, Any]):
    """A release's config; what it does not state is an error that says so."""

    def __init__(self, config: Mapping[str, Any], release: Release) -> None:
        super().__init__(config)
        self.release = release

    def __missing__(self, key: str) -> Any:
        raise ConfigError(
            f"{self.release.name}: the config states no {key!r}. Give the config that {self.release.source} was "
            "trained with (--config FILE)."
        )


class Present(dict[str, Tensor]):
    """A checkpoint's tensors; a missing one is an error that names it, or of size 1 in a part that may be missing."""

    def __init__(self, state: Mapping[str, Tensor], absent: Iterable[str]) -> None:
        super().__init__(state)
        self.absent = frozenset(absent)
        self.asked = ""

    def __getitem__(self, key: str) -> Tensor:
        self.asked = key
        return super().__getitem__(key)

    def __missing__(self, key: str) -> Tensor:
        if key in self.absent:
            return torch.empty(1, 1)
        raise DataError(f"these tensors do not fit:\n  {key} is missing")


def convert(release: Release, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> tuple[PretrainModel, Carried]:
    """A pre-training model with the checkpoint's weights, and the report of what was carried.

    Raises:
        ConfigError: the config does not state what the release's does.
        DataError: a tensor is missing, has no place, or has another shape; the message names it.
    """
    named = modern_names(state, release.renamed)
    page = release.system(Stated(config, release))
    rules = release.rules(page)
    parts: dict[str, list[str]] = {}
    for rule in rules:
        part = part_of(rule.target, release.optional)
        if part is not None:
            parts.setdefault(part, []).append(rule.source)
    absent = [source for sources in parts.values() if not named.keys() & set(sources) for source in sources]
    present = Present(named, absent)
    try:
        sizes = release.sizes(present)
    except IndexError as error:
        shape = tuple(present[present.asked].shape)
        raise DataError(f"these tensors do not fit:\n  {present.asked} has shape {shape}, too few axes") from error
    model = PretrainModel(page, **sizes)
    return model, carry(model, named, rules, release.dropped, release.ties, release.optional)


def recognise(
    releases: Iterable[Release], state: Mapping[str, Tensor], config: Mapping[str, Any] | None = None
) -> Release:
    """The release whose names and shapes a checkpoint has, every one of them.

    ``config`` is what lies beside it; None takes each release's published one. Where several fit, the one is meant whose
    marks it has.

    Raises:
        ConfigError: several releases have them, or none; the message says what kept the nearest from it.
    """
    fitting: list[Release] = []
    nearest: tuple[float, str] = (NEAR, "")
    for release in releases:
        near = 0.0
        try:
            stated = release.published if config is None else config
            named = modern_names(state, release.renamed)
            known = {rule.source for rule in release.rules(release.system(Stated(stated, release)))}
            near = len(known & named.keys()) / max(1, len(named))
            if near >= NEAR:
                with torch.device("meta"):
                    convert(release, stated, named)
                fitting.append(release)
        except IconotextError as error:
            nearest = max(nearest, (near, f" The nearest is {release.name}: {error}"))
    marked = [release for release in fitting if set(release.marks) & set(config or ())]
    fitting = marked if len(marked) == 1 else fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ConfigError(f"This may be {' or '.join(r.name for r in fitting)}: say which (--from NAME).")
    raise ConfigError(f"No release known here has these tensors.{nearest[1]}")
