"""Unicoder-VL: single-stream, hidden regions named by their class (Li et al., AAAI 2020)."""

from iconotext.heads import AnswerHeadKind, FirstToken
from iconotext.models.sizes import SMALL, TINY_ITM, TINY_MRC, tiny_together
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, MRC, Negatives, RegionMasks, Together

TINY_MOC = MRC("hard", masks=TINY_MRC.masks, only_matched=True)

UNICODER_VL = System(
    name="unicoder_vl",
    title="Unicoder-VL",
    paper="Li et al., Unicoder-VL: A Universal Encoder for Vision and Language by Cross-Modal Pre-Training, AAAI 2020",
    text=TextEmbedding((Word(), Position(512), Segment(2))),
    region=RegionEmbedding((Feature(), Location("box5"), Segment(shared=True))),
    schedule=12 * joint_layer(),
    pool=FirstToken("tanh"),
    mix=Together(
        (
            MLM(rate=0.15, only_matched=True),
            MRC("hard", masks=RegionMasks(rate=0.15, keep=0.1), only_matched=True),
            ITM(negatives=Negatives(0.5, "text"), matched=1),
        )
    ),
    answer=AnswerHeadKind("transform", hidden=2.0),
    layout=Layout(region_segment=1, max_words=60, max_regions=100),
    recipe=Recipe(steps=200_000, batch=192, learning_rate=1e-4, warmup=20_000),
    sizes={
        "tiny": {"schedule": 3 * joint_layer(), **SMALL, "mix": tiny_together(TINY_MOC, TINY_ITM)},
    },
    departures=(
        "The code was not published: feature and location are added after a linear map each, words and regions have segments 0 "
        "and 1 of one table, and a hidden region's feature is zero; all of that is unchecked.",
        "A mismatched pair has another text; the paper replaces either side.",
    ),
)
