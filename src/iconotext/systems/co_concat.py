"""Co-attention, then concatenation: each stream reads the other at the end, and the head reads both side by side."""

from iconotext.heads import AnswerHeadKind, Concat
from iconotext.models.sizes import SMALL, TINY_ITM, TINY_MRC, WIDTH, tiny_together
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import co_layer, twin_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, MRC, Negatives, RegionMasks, Together

CO_CONCAT = System(
    name="co_concat",
    title="co-attention, then concatenation",
    paper="a baseline of our own, in the manner of Lu et al., Hierarchical Question-Image Co-Attention, NeurIPS 2016",
    text=TextEmbedding((Word(), Position(512), Segment(2))),
    region=RegionEmbedding((Feature(), Location("box5"))),
    schedule=9 * twin_layer() + 3 * co_layer(),
    pool=Concat(768),
    mix=Together(
        (
            MLM(rate=0.15),
            MRC("soft", masks=RegionMasks(rate=0.15, keep=0.1)),
            ITM(negatives=Negatives(0.5, "text"), matched=1),
        )
    ),
    answer=AnswerHeadKind("transform", hidden=1.0),
    layout=Layout(whole_image="mean", max_words=34, max_regions=36),
    recipe=Recipe(steps=60_000, batch=512, learning_rate=1e-4, warmup=6_000),
    sizes={
        "tiny": {
            "schedule": twin_layer() + 2 * co_layer(),
            **SMALL,
            "pool": Concat(WIDTH),
            "mix": tiny_together(TINY_MRC, TINY_ITM),
        },
    },
    departures=("The recipe is ViLBERT's, so that the two can be compared; nobody published one for this baseline.",),
)
