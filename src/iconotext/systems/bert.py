"""BERT: text only, words and next sentences together (Devlin et al., NAACL 2019)."""

from iconotext.heads import AnswerHeadKind, FirstToken
from iconotext.models.sizes import LARGE, SMALL, TINY_MLM
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import text_layer
from iconotext.nn.terms import Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import MLM, NSP, Together

BERT = System(
    name="bert",
    title="BERT",
    paper="Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, NAACL 2019",
    text=TextEmbedding((Word(), Position(512), Segment(2))),
    region=RegionEmbedding(()),
    schedule=12 * text_layer(),
    pool=FirstToken("tanh"),
    mix=Together((MLM(rate=0.15, most=20), NSP(matched=0))),
    answer=AnswerHeadKind("transform", hidden=2.0),
    layout=Layout(max_words=126, max_regions=0, sentences=2),
    recipe=Recipe(steps=1_000_000, batch=256, learning_rate=1e-4, warmup=10_000, weight_decay=0.01, clip=1.0),
    sizes={
        "tiny": {
            "schedule": 3 * text_layer(),
            **SMALL,
            "mix": Together((TINY_MLM, NSP(matched=0))),
            "departures": (
                SMALL["departures"][0],
                "30 % of the words are hidden, whole words at a time; none in rows of two pictures' texts.",
            ),
        },
        "large": {"schedule": 24 * text_layer(), **LARGE},
    },
    departures=(
        "The two sentences are two texts of one picture, or of two pictures, not neighbours in a document; a pair that is too "
        "long loses the end of its longer sentence.",
        "GELU is the error function's, as in every PyTorch port; the paper's code has the tanh form.",
        "Rows have at most 128 tokens throughout; the paper ends with a tenth of the steps at 512.",
        "AdamW corrects the bias of its averages; the paper's optimiser does not.",
    ),
)
