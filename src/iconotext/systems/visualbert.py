"""VisualBERT: single-stream, words are hidden, regions are not (Li et al., 2019)."""

from iconotext.heads import AnswerHeadKind, Downstream, FirstToken
from iconotext.models.sizes import SMALL, TINY_ITM, TINY_MLM, tiny_later
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, LinkedPosition, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, Negatives, Together

VISUALBERT = System(
    name="visualbert",
    title="VisualBERT",
    paper="Li et al., VisualBERT: A Simple and Performant Baseline for Vision and Language, arXiv:1908.03557, 2019",
    text=TextEmbedding((Word(), Position(512), Segment(2))),
    region=RegionEmbedding((Feature(), Position(512), Segment(2), LinkedPosition()), shared_norm=True, like_text=True),
    schedule=12 * joint_layer(),
    pool=FirstToken("tanh"),
    mix=Together((MLM(rate=0.15, at_least_one=False), ITM(negatives=Negatives(0.5, "text"), matched=1))),
    answer=AnswerHeadKind("transform", hidden=2.0),
    downstream=Downstream(images="triplet"),
    layout=Layout(region_segment=0, max_words=126, max_regions=100, sentences=2),
    # Ten epochs of COCO's 592,000 captions.
    recipe=Recipe(steps=92_000, batch=64, learning_rate=5e-5, warmup=9_200, weight_decay=0.01, clip=1.0),
    sizes={
        "tiny": {
            "schedule": 3 * joint_layer(),
            **SMALL,
            "layout": Layout(region_segment=0, max_words=60, max_regions=100),
            "mix": tiny_later(TINY_MLM, Together((TINY_MLM, TINY_ITM))),
            "departures": (
                SMALL["departures"][0],
                "30 % of the words are hidden, whole words at a time; none is guessed in mismatched pairs.",
                "The first part of the run hides words only; matching joins afterwards.",
                *SMALL["departures"][3:4],
                "One caption a row, so that the match is about the picture.",
            ),
        },
    },
    departures=(
        "A caption that stands in for another is checked to be of another image and not the same sentence.",
        "A pair of captions that is too long loses the end of its longer one, not the front of both.",
        "The pooler is trained and gradients are clipped by their global norm; the original's code leaves the pooler as BERT "
        "has it and clips each tensor by itself. AdamW corrects the bias of its averages.",
    ),
)
