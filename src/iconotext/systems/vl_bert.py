"""VL-BERT: single-stream, every word carries the image, texts alone beside pairs (Su et al., ICLR 2020)."""

from iconotext.heads import AnswerHeadKind, Downstream, FirstToken
from iconotext.models.sizes import LARGE, SMALL, TINY_MLM, TINY_MRC
from iconotext.models.system import Layout, Recipe, System
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
from iconotext.objectives import MLM, MRC, OneAtATime, RegionMasks, TextAlone, Together

IMAGE = (ImageToken(), AfterWords(), Segment(shared=True))
WORDS = MLM(rate=0.15, whole_word=True, at_least_one=False)
REGIONS = MRC("soft", RegionMasks(rate=0.15, keep=0.1, at_least_one=False), measure="cross_entropy", norm=False)
TINY_REGIONS = MRC("soft", TINY_MRC.masks, measure="cross_entropy", norm=False)

VL_BERT = System(
    name="vl_bert",
    title="VL-BERT",
    paper="Su et al., VL-BERT: Pre-training of Generic Visual-Linguistic Representations, ICLR 2020",
    text=TextEmbedding((Word(end=True), Position(512), Segment(3), WholeImage(alone=True))),
    region=RegionEmbedding((Appearance(), *IMAGE), shared_norm=True),
    schedule=12 * joint_layer(),
    pool=FirstToken("tanh"),
    mix=OneAtATime(((1, Together((WORDS, REGIONS))), (1, TextAlone(WORDS)))),
    answer=AnswerHeadKind("transform", hidden=1.0),
    downstream=Downstream("sigmoid", region_hidden=1.0),
    layout=Layout(whole_image="mean", region_segment=2, max_words=60, max_regions=100, end_token=True),
    recipe=Recipe(steps=250_000, batch=256, learning_rate=2.56e-5, warmup=16_000, weight_decay=1e-4, clip=10.0),
    sizes={
        "tiny": {
            "schedule": 3 * joint_layer(),
            **SMALL,
            "text": TextEmbedding((Word(end=True), Position(512), Segment(3), WholeImage(alone=True, begin=1.0))),
            "region": RegionEmbedding((Appearance(sines=16, begin=1.0), *IMAGE), shared_norm=True),
            "mix": OneAtATime(((3, Together((TINY_MLM, TINY_REGIONS))), (1, TextAlone(TINY_MLM)))),
            "departures": (*SMALL["departures"][:2], "Appearances count from the first step: their norms begin at 1."),
        },
        "large": {"schedule": 24 * joint_layer(), **LARGE},
    },
    departures=(
        "Batches of pairs and batches of texts alone take turns, where the original has half of each in every batch; the texts "
        "alone are the data's captions, with [CLS] and [SEP], not sentences of Wikipedia and books.",
        "Pairs are cut to 60 words and 100 regions each, not to 64 tokens together; the whole image's box ends at its width "
        "and height, not one pixel before.",
        "Answers are read off the pooled [CLS], not off a [MASK] after the question.",
        "Features are those at hand, as in the original's `prec` models, where regions that overlap a hidden one leak; "
        "`--retake` of pretrain takes the hidden pixels out before, as its `e2e` models do.",
        "Weight decay spares norms and biases; the map of appearances begins as the other maps do.",
    ),
)
