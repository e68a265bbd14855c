"""Unified VLP: single-stream, one model that understands captions and writes them (Zhou et al., AAAI 2020)."""

from iconotext.heads import AnswerHeadKind, FirstToken
from iconotext.models.sizes import SMALL
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import CaptionMLM, OneAtATime

UNDERSTAND, WRITE = CaptionMLM(), CaptionMLM(pattern="seq2seq", segments=4)
TINY_UNDERSTAND = CaptionMLM(rate=0.3, most=6)
TINY_WRITE = CaptionMLM(pattern="seq2seq", segments=4, rate=0.3, most=6)
LOCATION = Location("box6", relu=True, class_probs=True)

VLP = System(
    name="vlp",
    title="Unified VLP",
    paper="Zhou et al., Unified Vision-Language Pre-Training for Image Captioning and VQA, AAAI 2020",
    text=TextEmbedding((Word(), Position(512), Segment(6))),
    region=RegionEmbedding(
        (Feature(relu=True, hidden=2048, masked="absent"), LOCATION, Segment(shared=True)), shared_norm=True
    ),
    schedule=12 * joint_layer(),
    pool=FirstToken("tanh"),
    mix=OneAtATime(((3, WRITE), (1, UNDERSTAND))),
    answer=AnswerHeadKind("plain", hidden=2.0, reads="first two"),
    layout=Layout(max_words=20, max_regions=100, image_first=True),
    recipe=Recipe(steps=180_000, batch=512, learning_rate=1e-4, warmup=18_000, weight_decay=0.01, clip=1.0),
    eps=1e-5,
    sizes={
        "tiny": {
            "schedule": 3 * joint_layer(),
            **SMALL,
            "region": RegionEmbedding(
                (Feature(relu=True, hidden=256, masked="absent"), LOCATION, Segment(shared=True)), shared_norm=True
            ),
            "mix": OneAtATime(((1, TINY_WRITE), (1, TINY_UNDERSTAND))),
            "departures": (
                SMALL["departures"][0],
                "30 % of the words are hidden, at most six; half of the batches are for writing.",
            ),
        },
    },
    departures=(
        "The pattern is drawn for a batch, not for each pair of it.",
        "An image may have fewer than 100 regions; the words begin at place 102 all the same.",
        "Weights begin as BERT's do, not as UniLM's, and the first layer on the features not as the detector's fc7. AdamW "
        "corrects the bias of its averages.",
    ),
)
