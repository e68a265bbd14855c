"""12-in-1: ViLBERT for twelve data sets at once, with a token that names the task (Lu et al., CVPR 2020)."""

from iconotext.heads import AnswerHeadKind, Downstream, Product, TaskHead
from iconotext.models.sizes import SMALL, TINY_ITM_ZERO, TINY_MRC, WIDTH, tiny_together
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import co_layer, text_layer, twin_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TaskToken, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, MRC, Negatives, RegionMasks, Together

MASKS = RegionMasks(rate=0.15, keep=0.1, at_least_one=False)

TWELVE_IN_ONE = System(
    name="12in1",
    title="12-in-1",
    paper="Lu et al., 12-in-1: Multi-Task Vision and Language Representation Learning, CVPR 2020",
    text=TextEmbedding((Word(), Position(512), Segment(2), TaskToken(20))),
    region=RegionEmbedding((Feature(), Location("box5"))),
    schedule=6 * text_layer() + 6 * (co_layer(width=1024, heads=8) + twin_layer()),
    pool=Product(1024),
    mix=Together(
        (
            MLM(rate=0.15, at_least_one=False, only_matched=True),
            MRC("soft", masks=MASKS, per="region", only_matched=True),
            ITM(negatives=Negatives(0.5, "text"), matched=0, dropout=True),
        )
    ),
    answer=AnswerHeadKind("transform", hidden=2.0),
    tasks=(
        TaskHead("vqa", hidden=2.0),
        TaskHead("gqa", hidden=2.0),
        TaskHead("two_images", "two pooled", hidden=1.0),
        TaskHead("entailment"),
        TaskHead("match"),
        TaskHead("region", "region"),
        TaskHead("word", "text"),
    ),
    downstream=Downstream(phrases="alone"),
    layout=Layout(whole_image="mean", max_words=34, max_regions=36),
    recipe=Recipe(steps=60_000, batch=512, learning_rate=1e-4, warmup=6_000, betas=(0.9, 0.98), clip=1.0),
    region_width=1024,
    region_heads=8,
    region_hidden=1024,
    sizes={
        "tiny": {
            "schedule": 2 * (co_layer() + twin_layer()),
            **SMALL,
            "pool": Product(WIDTH),
            "mix": tiny_together(TINY_MRC, TINY_ITM_ZERO),
        },
    },
    departures=(
        "A caption that stands in for another is checked to be of another image and not the same sentence.",
        "The whole-image feature is the plain mean of the visible regions; the code counts padding rows to its divisor.",
        "Regions that overlap a hidden one stay visible, as in the code; the paper hides those of an IoU above 0.4 "
        "(RegionMasks(leak=0.4, measure='iou')).",
    ),
)
