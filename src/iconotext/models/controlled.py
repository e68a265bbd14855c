"""What VOLTA's five controlled versions share: sizes, heads, objectives and recipe, so that only the architectures differ.

Bugliarello et al., TACL 2021; e-bug/volta, config/ctrl_*.json and examples/ctrl_*/concap/train.sh.
"""

from __future__ import annotations

from typing import Any

from iconotext.heads.answer import AnswerHeadKind
from iconotext.heads.pool import Product
from iconotext.models.sizes import SMALL, TINY_ITM_ZERO, TINY_MRC, WIDTH, tiny_together
from iconotext.models.system import Layout, Recipe
from iconotext.objectives.base import Negatives
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import Mix, Together
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC

PAPER = (
    "Bugliarello et al., Multimodal Pretraining Unmasked: A Meta-Analysis and a Unified Framework of "
    "Vision-and-Language BERTs, TACL 2021"
)
MASKS = RegionMasks(rate=0.15, keep=0.1, at_least_one=False)
WORDS = MLM(rate=0.15, at_least_one=False, only_matched=True)
MATCH = ITM(negatives=Negatives(0.5, "text"), matched=0, dropout=True)


def objectives_on(regions: MRC) -> Mix:
    """Words, regions and matching together, with no loss on the words and regions of mismatched pairs."""
    return Together((WORDS, regions, MATCH))


DEPARTURES = (
    "A caption that stands in for another is checked to be of another image and not the same sentence.",
    "The whole-image feature is the plain mean of the visible regions.",
    "Heads begin as the trunk does, not by Xavier's rule.",
)
CONTROLLED: dict[str, Any] = {
    "paper": PAPER,
    "pool": Product(1024),
    "mix": objectives_on(MRC("soft", MASKS, only_matched=True)),
    "answer": AnswerHeadKind("transform", hidden=1.5),
    "layout": Layout(whole_image="mean", max_words=36, max_regions=36),
    "recipe": Recipe(steps=105_000, batch=256, learning_rate=1e-4, warmup=10_500, clip=5.0),
    "departures": DEPARTURES,
}
"""What every page has, where it does not say otherwise."""
CONTROLLED_SMALL: dict[str, Any] = {**SMALL, "pool": Product(WIDTH), "mix": tiny_together(TINY_MRC, TINY_ITM_ZERO)}
"""And its tiny size."""
