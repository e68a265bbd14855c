from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from toy_data import PRINT, make_store, regions, scene

from iconotext.core.errors import ConfigError
from iconotext.data.store import RegionStore, StoreWriter
from iconotext.objectives.mix import objectives
from iconotext.recipes.pretrain import page_of, without_labels


def unlabelled(path: Path) -> RegionStore:
    """A store whose regions have no class probabilities, as a grid's."""
    writer = StoreWriter(path, dataclasses.replace(PRINT, classes=0), (), ())
    row = regions("train-0", scene("train-0"))
    writer.write_shard(0, [dataclasses.replace(row, class_probs=np.zeros((len(row.boxes), 0), np.float16))])
    return writer.finish()


@pytest.mark.parametrize("system", ["uniter", "vilbert"])
@pytest.mark.parametrize("size", ["base", "tiny"])
def test_without_labels_features_are_regressed_in_place_of_classes(tmp_path: Path, system: str, size: str) -> None:
    page = page_of(system, size)
    names = {o.name for o in objectives(page.mix)}
    changed = without_labels(page, unlabelled(tmp_path / "store"))
    assert {o.name for o in objectives(changed.mix)} == (names - {"mrc_soft"}) | {"mrfr"}
    assert changed.departures[:-1] == page.departures


def test_with_labels_the_page_is_itself(tmp_path: Path) -> None:
    page = page_of("uniter", "tiny")
    assert without_labels(page, make_store(tmp_path / "store", {"train": 2})) is page


def test_a_system_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="uniter, vilbert"):
        page_of("unitre", "tiny")
