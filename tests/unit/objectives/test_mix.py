"""How objectives combine."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from samples import PAGES, VOCAB, batch_of, equal

from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.objectives.base import Negatives
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import OneAtATime, Phases, Together, choose, corrupt, negatives, objectives, without
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.wra import WRA
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT

TOTAL = 3000
BATCH = batch_of(PAGES["vilbert"], [5] * 8, [6] * 8)
DRAW = Draw(0, 0, np.arange(8))


def names(mix, seed: int = 0, total: int = TOTAL) -> list[tuple[str, ...]]:
    return [tuple(o.name for o in choose(mix, seed, index, total)) for index in range(total)]


def test_one_at_a_time_is_pure_and_keeps_its_shares() -> None:
    found = Counter(names(UNITER.mix))
    shares = {("itm", "wra"): 2 / 6, ("mlm",): 2 / 6, ("mrfr",): 1 / 6, ("mrc_soft",): 1 / 6}
    assert found.keys() == shares.keys()
    for chosen, share in shares.items():
        assert abs(found[chosen] - TOTAL * share) < 5 * (TOTAL * share * (1 - share)) ** 0.5


def test_a_choice_depends_on_seed_and_number_alone() -> None:
    assert names(UNITER.mix, total=50) == names(UNITER.mix, total=80)[:50]
    assert names(UNITER.mix, seed=1, total=50) != names(UNITER.mix, total=50)


def test_together_is_all_of_them_every_time() -> None:
    assert set(names(VILBERT.mix, total=20)) == {("mlm", "mrc_soft", "itm")}


def test_phases_take_their_shares_in_order() -> None:
    mix = Phases(((1, MLM()), (3, MRFR()), (1, ITM())))
    assert names(mix, total=100) == [("mlm",)] * 20 + [("mrfr",)] * 60 + [("itm",)] * 20
    assert names(Phases(((1, MLM()), (1, MRFR()), (1, ITM()))), total=3) == [("mlm",), ("mrfr",), ("itm",)]


def test_nested_choices_are_independent() -> None:
    """Two draws in one batch, and a draw inside a draw: every combination comes as often as its shares say."""
    mix = Together(
        (OneAtATime(((1, MLM()), (1, OneAtATime(((1, MRFR()), (1, ITM())))))), OneAtATime(((1, WRA()), (1, MRC()))))
    )
    found = Counter(names(mix))
    shares = {(a, b): s / 2 for a, s in {"mlm": 0.5, "mrfr": 0.25, "itm": 0.25}.items() for b in ("wra", "mrc_soft")}
    for chosen, share in shares.items():
        assert abs(found[chosen] - TOTAL * share) < 5 * (TOTAL * share * (1 - share)) ** 0.5


def test_every_objective_is_named_once() -> None:
    assert [o.name for o in objectives(UNITER.mix)] == ["itm", "wra", "mlm", "mrfr", "mrc_soft"]
    assert [o.name for o in objectives(Phases(((1, UNITER.mix), (1, Together((MLM(), MRC("hard")))))))] == [
        *("itm", "wra", "mlm", "mrfr", "mrc_soft", "mrc_hard")
    ]
    assert objectives(MLM()) == (MLM(),)


def test_negatives_of_a_batch() -> None:
    assert negatives((MLM(), MRFR())) is None
    assert negatives((ITM(), WRA())) == Negatives()
    with pytest.raises(ConfigError, match="different negatives"):
        negatives((ITM(), dataclasses.replace(ITM(), negatives=Negatives(0.1))))


@pytest.mark.parametrize("masks", [RegionMasks(0.4), RegionMasks(0.3, keep=0.3), RegionMasks(0.2, leak=0.4, keep=0.1)])
def test_regions_are_masked_once_for_all_objectives_of_a_batch(masks: RegionMasks) -> None:
    found = corrupt((MRC("soft", masks), MRFR(masks), MRC("hard", masks)), BATCH, DRAW, VOCAB)
    alone = corrupt((MRFR(masks),), BATCH, DRAW, VOCAB)
    assert torch.equal(found.batch.region.masked, alone.batch.region.masked)
    assert equal(found.batch, alone.batch)
    one, *others = [targets.positions for targets in found.targets.values()]
    assert all(torch.equal(one, other) for other in others)


def test_joint_masking_is_both_at_once() -> None:
    masks = RegionMasks(0.4)
    found = corrupt((MLM(0.4), MRC("soft", masks), ITM()), BATCH, DRAW, VOCAB)
    words, regions = corrupt((MLM(0.4),), BATCH, DRAW, VOCAB), corrupt((MRC("soft", masks),), BATCH, DRAW, VOCAB)
    assert equal(found.batch.text, words.batch.text)
    assert equal(found.batch.region, regions.batch.region)
    assert list(found.targets) == ["mlm", "mrc_soft", "itm"]
    assert equal(found.targets["mlm"], words.targets["mlm"])
    assert equal(found.targets["mrc_soft"], regions.targets["mrc_soft"])


def test_corrupt_leaves_the_batch_alone() -> None:
    before = batch_of(PAGES["vilbert"], [5] * 8, [6] * 8)
    for page in (UNITER, VILBERT):
        corrupt(objectives(page.mix), BATCH, DRAW, VOCAB)
    assert equal(BATCH, before)


def test_two_objectives_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="called 'mrfr'"):
        corrupt((MRFR(), MRFR(RegionMasks(0.5))), BATCH, DRAW, VOCAB)


def test_without_an_objective_the_others_keep_their_shares() -> None:
    mix = Phases(((1, Together((MLM(), ITM()))), (2, OneAtATime(((3, ITM()), (1, Together((MRFR(),)))))), (1, ITM())))
    left = without(mix, lambda objective: isinstance(objective, ITM))
    assert left == Phases(((1, Together((MLM(),))), (2, OneAtATime(((1, Together((MRFR(),))),)))))
    assert without(mix, lambda objective: False) == mix
    with pytest.raises(ConfigError, match="No objective is left"):
        without(mix, lambda objective: True)
