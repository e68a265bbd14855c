"""ViLBERT: dual-stream, all objectives together (Lu et al., NeurIPS 2019)."""

from iconotext.heads import AnswerHeadKind, Product
from iconotext.models.sizes import SMALL, TINY_ITM_ZERO, TINY_MRC, WIDTH, tiny_together
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import co_layer, text_layer, twin_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, MRC, Negatives, RegionMasks, Together

VILBERT = System(
    name="vilbert",
    title="ViLBERT",
    paper="Lu et al., ViLBERT: Pretraining Task-Agnostic Visiolinguistic Representations, NeurIPS 2019",
    text=TextEmbedding((Word(), Position(512), Segment(2))),
    region=RegionEmbedding((Feature(), Location("box5"))),
    schedule=6 * text_layer() + 6 * (co_layer(width=1024, heads=8) + twin_layer()),
    pool=Product(1024),
    mix=Together(
        (
            MLM(rate=0.15, at_least_one=False),
            MRC("soft", masks=RegionMasks(rate=0.15, keep=0.1, at_least_one=False), per="region"),
            ITM(negatives=Negatives(0.5, "text"), matched=0, dropout=True),
        )
    ),
    answer=AnswerHeadKind("weight_norm", hidden=2.0),
    layout=Layout(whole_image="mean", max_words=34, max_regions=36),
    recipe=Recipe(steps=60_000, batch=512, learning_rate=1e-4, warmup=6_000, betas=(0.9, 0.999), clip=1.0),
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
        "The whole-image feature is the plain mean of the visible regions, also in pre-training.",
    ),
)
