"""The pages: sizes that were published, and what every page keeps."""

from __future__ import annotations

import pytest
import torch

from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.models.trunk import Trunk, count_parameters, dims_of
from iconotext.nn.schedule import co_layer, joint_layer, text_layer, twin_layer
from iconotext.nn.terms import LOCATION_WIDTH
from iconotext.objectives.mix import objectives
from iconotext.systems import SYSTEMS
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT

EVERY = pytest.mark.parametrize("page", SYSTEMS.values(), ids=SYSTEMS)


@pytest.mark.parametrize(
    ("page", "vocabulary", "published"),
    [
        # jiasenlu/vilbert_beta counts 250,044,029, of which 11,020,800 are weights that its forward pass never uses.
        (VILBERT, 30522, 250_044_029 - 11_020_800),
        # ChenRocks/UNITER counts 112,938,887 with a mask table of two rows; the first is forced to zero.
        (UNITER, 28996, 112_938_887 - 2048),
    ],
    ids=["vilbert", "uniter"],
)
def test_parameters_of_the_published_models(page: System, vocabulary: int, published: int) -> None:
    with torch.device("meta"):
        assert count_parameters(PretrainModel(page, vocabulary, 2048, 1601)) == published


def test_the_large_uniter_is_bert_large() -> None:
    with torch.device("meta"):
        trunk = Trunk(UNITER.at("large"), 28996, 2048)
    width, layer = 1024, 4 * (1024**2 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 4 * 1024
    assert count_parameters(trunk.encoder) == 24 * layer
    assert count_parameters(trunk.text) == (28996 + 512 + 2 + 2) * width


@EVERY
def test_the_table_names_a_page_by_its_own_name(page: System) -> None:
    assert SYSTEMS[page.name] is page
    assert page.title
    assert page.paper


@EVERY
def test_every_size_is_built_and_its_streams_stay_what_they_are(page: System) -> None:
    for size in ("base", *page.sizes):
        sized = page.at(size)
        with torch.device("meta"):
            model = PretrainModel(sized, 1000, 256, 259)
        assert sized.streams == page.streams
        assert set(model.heads) == {o.name for o in objectives(sized.mix)}
        dims = dims_of(sized)
        assert all(dims.width[s] % dims.heads[s] == 0 for s in ("text", "region"))
        assert sized.region.location in LOCATION_WIDTH


def test_schedules_of_the_papers() -> None:
    assert UNITER.schedule == 12 * joint_layer()
    assert VILBERT.schedule == 6 * text_layer() + 6 * (co_layer(1024, 8) + twin_layer())
