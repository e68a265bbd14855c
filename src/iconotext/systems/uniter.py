"""UNITER: single-stream, one objective a batch (Chen et al., ECCV 2020)."""

from iconotext.heads import AnswerHeadKind, Downstream, FirstToken
from iconotext.models.sizes import LARGE, SMALL, TINY_MATCH, TINY_MLM, TINY_MRC_ALONE, tiny_later
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, MRC, MRFR, WRA, OneAtATime, RegionMasks, Together

MASKS = RegionMasks(rate=0.15, keep=0.0, at_least_one=True)

UNITER = System(
    name="uniter",
    title="UNITER",
    paper="Chen et al., UNITER: UNiversal Image-TExt Representation Learning, ECCV 2020",
    text=TextEmbedding((Word(), Position(512), Segment(2))),
    region=RegionEmbedding((Feature(norm=True, masked="learned"), Location("box7", norm=True), Segment(shared=True))),
    schedule=12 * joint_layer(),
    pool=FirstToken("tanh"),
    mix=OneAtATime(
        (
            (2, Together((ITM(matched=1), WRA(weight=0.1)))),
            (2, MLM(rate=0.15)),
            (1, MRFR(masks=MASKS, tied=True)),
            (1, MRC("soft", masks=MASKS, per="class")),
        )
    ),
    answer=AnswerHeadKind("transform", hidden=2.0),
    downstream=Downstream("sigmoid", option_hidden=2.0, regions="softmax", images="attention", class_hidden=2.0),
    layout=Layout(whole_image="none", region_segment=1, max_words=60, max_regions=100),
    recipe=Recipe(steps=200_000, batch=2560, learning_rate=5e-5, warmup=10_000, betas=(0.9, 0.98), clip=5.0),
    sizes={
        "tiny": {
            "schedule": 3 * joint_layer(),
            **SMALL,
            "mix": tiny_later(
                OneAtATime(((2, TINY_MLM), (1, TINY_MRC_ALONE))),
                OneAtATime(((4, TINY_MATCH), (2, TINY_MLM), (1, TINY_MRC_ALONE))),
            ),
        },
        "large": {"schedule": 24 * joint_layer(), **LARGE},
    },
)
