"""The dual encoder: two towers that never attend to each other (after DeViSE, LightningDOT and CLIP)."""

from iconotext.heads import AnswerHeadKind, Product
from iconotext.models.sizes import SMALL, WIDTH
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import twin_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import Contrastive

DUAL_ENCODER = System(
    name="dual_encoder",
    title="dual encoder",
    paper="after Sun et al., LightningDOT, NAACL 2021, and Radford et al., CLIP, ICML 2021",
    text=TextEmbedding((Word(), Position(512), Segment(2))),
    region=RegionEmbedding((Feature(norm=True), Location("box7", norm=True), Segment(2))),
    schedule=12 * twin_layer(),
    pool=Product(768),
    mix=Contrastive(width=768),
    answer=AnswerHeadKind("transform", hidden=2.0),
    layout=Layout(whole_image="mean", max_words=60, max_regions=100),
    recipe=Recipe(steps=300_000, batch=1024, learning_rate=5e-5, warmup=10_000, betas=(0.9, 0.98), clip=5.0),
    sizes={
        "tiny": {
            "schedule": 3 * twin_layer(),
            **SMALL,
            "pool": Product(WIDTH),
            "mix": Contrastive(width=WIDTH),
            "departures": SMALL["departures"][:1],
        },
    },
    departures=(
        "No masked words or regions: with one tower there is nothing of the other side to guess them from.",
        "A micro-batch of one process is contrasted with itself only.",
    ),
)
