"""The single-stream baseline of the ViLBERT paper, in the manner of VideoBERT (Lu et al., NeurIPS 2019)."""

from iconotext.heads import AnswerHeadKind, FirstToken
from iconotext.models.sizes import SMALL, TINY_ITM_ZERO, TINY_MRC, tiny_together
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, MRC, Negatives, RegionMasks, Together

SINGLE_STREAM = System(
    name="single_stream",
    title="single-stream baseline",
    paper="Lu et al., ViLBERT, NeurIPS 2019, after Sun et al., VideoBERT, ICCV 2019",
    text=TextEmbedding((Word(), Position(512), Segment(2))),
    region=RegionEmbedding((Feature(), Location("box5"), Segment(2))),
    schedule=12 * joint_layer(),
    pool=FirstToken("tanh"),
    mix=Together(
        (
            MLM(rate=0.15, at_least_one=False),
            MRC("soft", masks=RegionMasks(rate=0.15, keep=0.1, at_least_one=False), per="region"),
            ITM(negatives=Negatives(0.5, "text"), matched=0),
        )
    ),
    answer=AnswerHeadKind("weight_norm", hidden=2.0),
    layout=Layout(whole_image="mean", region_segment=1, max_words=34, max_regions=36),
    recipe=Recipe(steps=60_000, batch=512, learning_rate=1e-4, warmup=6_000),
    sizes={
        "tiny": {"schedule": 3 * joint_layer(), **SMALL, "mix": tiny_together(TINY_MRC, TINY_ITM_ZERO)},
    },
    departures=(
        "Regions of detected boxes, as in ViLBERT's baseline, not VideoBERT's words made of clustered video features.",
        "The pre-training class of the published code calls its head with arguments that it does not take; this is what it "
        "was to do: the sequence is parted where the words end.",
        "A batch in which no region was hidden has no region loss; the code divides by zero.",
    ),
)
