"""What sizes share. Most of it is of the tiny ones: what lets a small model learn from scratch in minutes on a laptop.

A model of a million parameters trained by BERT's own recipe stays on a plateau. Norms before the sublayers, weights that
begin at one over the square root of the width, no dropout, and grounding first (words and regions hidden, matching only
afterwards) bring it off; what was tried is in docs/decisions/0003-tiny-sizes.md. The published sizes are untouched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iconotext.models.system import Recipe
from iconotext.objectives.base import Negatives
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import Mix, Phases, Together
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.wra import WRA

WIDTH = 128

SMALL: dict[str, Any] = {
    "width": WIDTH,
    "heads": 4,
    "hidden": 4 * WIDTH,
    "region_width": WIDTH,
    "region_heads": 4,
    "region_hidden": 4 * WIDTH,
    "norm": "pre",
    "init": 0.0,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "recipe": Recipe(steps=4000, batch=64, learning_rate=1.5e-3, warmup=200, betas=(0.9, 0.98), clip=1.0),
    "departures": (
        "Norms stand before the sublayers, weights begin at one over the square root of the width, no dropout.",
        "30 % of the words are hidden, whole words at a time; regions that overlap a hidden one are hidden as well.",
        "The first part of the run hides words and regions only; matching joins afterwards.",
        "Three in ten of the mismatched captions are the picture's own with one word made false, where the data has them.",
        "No loss on words or regions of mismatched pairs.",
    ),
}
"""Changes to any page."""

LARGE: dict[str, Any] = {
    "width": 1024,
    "heads": 16,
    "hidden": 4096,
    "region_width": 1024,
    "region_heads": 16,
    "region_hidden": 4096,
}
"""The widths of BERT-large, with 24 layers, in both streams."""

TINY_MLM = MLM(rate=0.3, whole_word=True, only_matched=True)
TINY_MASKS = RegionMasks(rate=0.15, leak=0.3, measure="iou")
TINY_MRC = MRC("soft", masks=TINY_MASKS, only_matched=True)
TINY_MRC_ALONE = MRC("soft", masks=RegionMasks(rate=0.15, leak=0.4), only_matched=True)
TINY_ITM = ITM(negatives=Negatives(0.5, "text", swapped=0.3))
TINY_ITM_ZERO = replace(TINY_ITM, matched=0)
TINY_MATCH = Together((TINY_ITM, WRA(weight=0.1, iterations=10)))
"""Objectives with the same departures.

Where words are guessed in the same batch, the whole picture stays visible beside a hidden thing (IoU); where regions are
hidden in batches of their own, everything that holds a part of a hidden one is hidden too. ``TINY_ITM`` says 1 where text and
picture belong together, ``TINY_ITM_ZERO`` 0; ``TINY_MATCH`` aligns words and regions besides.
"""


def tiny_later(first: Mix, then: Mix) -> Phases:
    """Grounding for 35 % of the run, then all of it with matching."""
    return Phases(((0.35, first), (0.65, then)))


def tiny_together(regions: MRC, match: ITM) -> Phases:
    """Words and regions from the first step, matching together with them after 40 % of the run."""
    return Phases(((0.4, Together((TINY_MLM, regions))), (0.6, Together((TINY_MLM, regions, match)))))
