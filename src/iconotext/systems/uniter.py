"""UNITER: single-stream, one objective a batch (Chen et al., ECCV 2020)."""

from iconotext.heads.answer import AnswerHeadKind
from iconotext.heads.pool import FirstToken
from iconotext.heads.tasks import Downstream
from iconotext.models.sizes import SMALL, TINY_ITM, TINY_MLM, TINY_MRC_ALONE
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import OneAtATime, Phases, Together
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.wra import WRA

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
    width=768,
    heads=12,
    hidden=3072,
    region_width=768,
    region_heads=12,
    region_hidden=3072,
    sizes={
        "tiny": {
            "schedule": 3 * joint_layer(),
            **SMALL,
            "mix": Phases(
                (
                    (0.35, OneAtATime(((2, TINY_MLM), (1, TINY_MRC_ALONE)))),
                    (
                        0.65,
                        OneAtATime(
                            (
                                (4, Together((TINY_ITM, WRA(weight=0.1, iterations=10)))),
                                (2, TINY_MLM),
                                (1, TINY_MRC_ALONE),
                            )
                        ),
                    ),
                )
            ),
        },
        "large": {
            "schedule": 24 * joint_layer(),
            "width": 1024,
            "heads": 16,
            "hidden": 4096,
            "region_width": 1024,
            "region_heads": 16,
            "region_hidden": 4096,
        },
    },
)
