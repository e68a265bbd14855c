"""Published checkpoints to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from iconotext.convert import uniter, vilbert
from iconotext.convert.rules import Carried, Release, carry, modern_names
from iconotext.models.pretrain import PretrainModel

RELEASES: dict[str, Release] = {release.name: release for release in (uniter.RELEASE, vilbert.RELEASE)}


def convert(release: Release, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> tuple[PretrainModel, Carried]:
    """A pre-training model with the checkpoint's weights, and the report of what was carried."""
    named = modern_names(state)
    page = release.system(config)
    model = PretrainModel(page, **release.sizes(named))
    return model, carry(model, named, release.rules(page), release.dropped)


__all__ = ["RELEASES", "Carried", "Release", "convert"]
