"""UNIMO: single-stream, contrast of rewritten texts (Li et al., ACL 2021)."""

from iconotext.heads import AnswerHeadKind, Product
from iconotext.models.sizes import LARGE, SMALL, TINY_MLM, TINY_MRC_ALONE, WIDTH, tiny_later
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, TextEmbedding, Word
from iconotext.objectives import MLM, MRC, MRFR, CrossModalContrastive, OneAtATime, RegionMasks, TextAlone, Together

WORDS = MLM(rate=0.15, whole_word=True)
MASKS = RegionMasks(rate=0.15, leak=0.4, measure="iou")

UNIMO = System(
    name="unimo",
    title="UNIMO",
    paper="Li et al., UNIMO: Towards Unified-Modal Understanding and Generation via Cross-Modal Contrastive Learning, ACL 2021",
    text=TextEmbedding((Word(), Position(514, first=2))),
    region=RegionEmbedding((Feature(), Location("box5"))),
    schedule=12 * joint_layer(),
    pool=Product(768),
    mix=OneAtATime(
        (
            (1, CrossModalContrastive()),
            (1, WORDS),
            (1, TextAlone(WORDS)),
            (1, Together((MRFR(masks=MASKS, tied=False), MRC("soft", masks=MASKS)))),
        )
    ),
    answer=AnswerHeadKind("transform", hidden=2.0),
    layout=Layout(whole_image="mean", max_words=60, max_regions=36),
    recipe=Recipe(steps=500_000, batch=512, learning_rate=5e-5, warmup=10_000, betas=(0.9, 0.98)),
    eps=1e-5,
    sizes={
        "tiny": {
            "schedule": 3 * joint_layer(),
            **SMALL,
            "pool": Product(WIDTH),
            "mix": tiny_later(
                OneAtATime(((2, TINY_MLM), (1, TINY_MRC_ALONE))),
                OneAtATime(((3, CrossModalContrastive()), (2, TINY_MLM), (1, TINY_MRC_ALONE))),
            ),
        },
        "large": {
            "schedule": 24 * joint_layer(),
            "pool": Product(1024),
            "layout": Layout(whole_image="mean", max_words=60, max_regions=100),
            **LARGE,
        },
    },
    departures=(
        "The pre-training code was not published: objectives follow the paper, shares and recipe are ours.",
        "Rewritten texts are other captions of the image and, where the data has them, captions with one word made false; "
        "images and texts retrieved for a pair are left out.",
        "Texts alone are those of the pairs, and there are no images alone. Whole words are hidden, not spans.",
    ),
)
