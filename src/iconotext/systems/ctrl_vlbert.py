"""VL-BERT as VOLTA controls it: words carry the last region, which stands for [END] (Bugliarello et al., TACL 2021)."""

from dataclasses import replace

from iconotext.models.controlled import CONTROLLED, CONTROLLED_SMALL, DEPARTURES, MASKS, objectives_on
from iconotext.models.sizes import SMALL, TINY_ITM_ZERO, TINY_MRC, tiny_together
from iconotext.models.system import Layout, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import (
    AfterWords,
    Appearance,
    ImageToken,
    Position,
    RegionEmbedding,
    Segment,
    TextEmbedding,
    WholeImage,
    Word,
)
from iconotext.objectives import MRC

IMAGE = (ImageToken(hidden=False, end=True), AfterWords(), Segment(shared=True))

CTRL_VLBERT = System(
    name="ctrl_vlbert",
    title="VL-BERT, controlled",
    text=TextEmbedding((Word(), Position(512), Segment(3), WholeImage(region="last"))),
    region=RegionEmbedding((Appearance(), *IMAGE), shared_norm=True),
    schedule=12 * joint_layer(),
    sizes={
        "tiny": {
            "schedule": 3 * joint_layer(),
            **CONTROLLED_SMALL,
            "text": TextEmbedding((Word(), Position(512), Segment(3), WholeImage(region="last", begin=1.0))),
            "region": RegionEmbedding((Appearance(sines=16, begin=1.0), *IMAGE), shared_norm=True),
            "mix": tiny_together(replace(TINY_MRC, norm=False), TINY_ITM_ZERO),
            "departures": (*SMALL["departures"], "Appearances count from the first step: their norms begin at 1."),
        }
    },
    **CONTROLLED
    | {
        "mix": objectives_on(MRC("soft", MASKS, only_matched=True, norm=False)),
        "layout": Layout(whole_image="mean", region_segment=2, max_words=36, max_regions=36),
        "departures": (
            *DEPARTURES,
            "The region that words carry and that stands for [END] is the last of its image; VOLTA's code takes the last of "
            "the padded batch, so that images with fewer regions read padding.",
            "Words stand at their own places; in VOLTA's code those behind the end of the shortest text of the batch are moved "
            "on by the number of regions, in every row (docs/decisions/0004-volta-vlbert-padding.md).",
        ),
    },
)
