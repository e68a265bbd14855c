"""ViLT: single-stream over words and patches of pixels, norms before the sublayers (Kim et al., ICML 2021)."""

from iconotext.heads import AnswerHeadKind, FirstToken
from iconotext.models.sizes import SMALL, TINY_MATCH, TINY_MLM, tiny_later
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, GridPosition, Modality, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, WRA, Negatives, OneAtATime, Together

VILT = System(
    name="vilt",
    title="ViLT",
    paper="Kim et al., ViLT: Vision-and-Language Transformer Without Convolution or Region Supervision, ICML 2021",
    text=TextEmbedding((Word(), Position(40), Segment(2), Modality())),
    region=RegionEmbedding((Feature(whole="learned"), GridPosition(12, 12), Modality()), norm=False),
    schedule=12 * joint_layer(),
    pool=FirstToken("tanh"),
    mix=OneAtATime(
        (
            (1, MLM(rate=0.15, whole_word=True, at_least_one=False)),
            (1, Together((ITM(negatives=Negatives(0.5, "image"), matched=1), WRA(weight=0.1)))),
        )
    ),
    answer=AnswerHeadKind("transform", hidden=2.0),
    layout=Layout(whole_image="mean", region_segment=1, max_words=38, max_regions=240),
    recipe=Recipe(steps=100_000, batch=4096, learning_rate=1e-4, warmup=10_000, betas=(0.9, 0.98)),
    norm="pre",
    last_norm="one",
    dropout=0.0,
    attention_dropout=0.0,
    sizes={
        "tiny": {
            "schedule": 3 * joint_layer(),
            **SMALL,
            "region": RegionEmbedding((Feature(whole="learned"), GridPosition(4, 6), Modality()), norm=False),
            "mix": tiny_later(TINY_MLM, OneAtATime(((2, TINY_MATCH), (1, TINY_MLM)))),
        },
    },
    departures=(
        "Masked words and matching take turns, each with a batch of its own; the code computes both on every batch.",
        "Pictures are cut on a grid of a fixed number of patches, whatever their aspect ratio; no augmentation.",
        "The encoder begins at random; the paper begins at a Vision Transformer.",
        "The answering head applies GELU before its norm, as UNITER's and LXMERT's do; the code applies it after.",
    ),
)
