"""LXMERT: dual-stream, one cross-attention for both directions, six objectives together (Tan and Bansal, EMNLP 2019)."""

from typing import Any

from iconotext.heads import AnswerHeadKind, FirstToken
from iconotext.models.sizes import SMALL, TINY_ITM, TINY_MASKS, TINY_MLM, tiny_later
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import cross_layer, text_layer, twin_layer
from iconotext.nn.terms import Feature, Location, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import IQA, ITM, MLM, MRC, MRFR, Negatives, RegionMasks, Together

MASKS = RegionMasks(rate=0.15, keep=0.1, random=0.1, at_least_one=False)
LABELS: dict[str, Any] = {"background_scored": False, "confidence": True, "shared": True}
FEATURES: dict[str, Any] = {"tied": False, "error": "smooth", "shared": True}
ALL: dict[str, Any] = {"masks": MASKS, "weight": 1 / 0.15}
HIDDEN: dict[str, Any] = {"masks": TINY_MASKS, "only_matched": True}
TINY = (TINY_MLM, MRC("hard", **LABELS, **HIDDEN), MRC("attribute", **LABELS, **HIDDEN), MRFR(**FEATURES, **HIDDEN))

LXMERT = System(
    name="lxmert",
    title="LXMERT",
    paper="Tan and Bansal, LXMERT: Learning Cross-Modality Encoder Representations from Transformers, EMNLP 2019",
    text=TextEmbedding((Word(), Position(512, fixed=True), Segment(2, fixed=True))),
    region=RegionEmbedding((Feature(norm=True), Location("box4", norm=True)), mean=True),
    schedule=5 * twin_layer() + 4 * text_layer() + 5 * cross_layer(),
    pool=FirstToken("tanh"),
    mix=Together(
        (
            MLM(rate=0.15, at_least_one=False),
            ITM(negatives=Negatives(0.5, "text"), matched=1),
            MRC("hard", scores="all", **LABELS, **ALL),
            MRC("attribute", scores="all", **LABELS, **ALL),
            MRFR(per="all", **FEATURES, **ALL),
            IQA(count=9500),
        )
    ),
    answer=AnswerHeadKind("transform", hidden=2.0),
    layout=Layout(max_words=18, max_regions=36),
    recipe=Recipe(steps=717_000, batch=256, learning_rate=1e-4, warmup=35_850, weight_decay=0.01, clip=1.0),
    sizes={
        "tiny": {
            "schedule": twin_layer() + 2 * cross_layer(),
            **SMALL,
            "layout": Layout(max_words=60, max_regions=36),
            "mix": tiny_later(Together(TINY), Together((*TINY, TINY_ITM, IQA()))),
            "departures": (*SMALL["departures"], "Labels and features of hidden regions only, each loss their mean."),
        },
    },
    departures=(
        "Of the hidden regions 10 % get the feature of another region of their image, not of any image.",
        "A caption that stands in for another is checked to be not the same sentence either.",
        "Answers and their scores are those of the data at hand, not the table of 9,500 of five data sets.",
        "AdamW corrects the bias of its averages and leaves biases and norms undecayed; LXMERT's does neither.",
    ),
)
