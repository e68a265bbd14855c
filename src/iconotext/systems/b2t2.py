"""B2T2: bounding boxes in the text; regions are added to the words that name them (Alberti et al., EMNLP 2019)."""

from iconotext.heads import AnswerHeadKind, Downstream, FirstToken
from iconotext.models.sizes import LARGE, SMALL, TINY_ITM, TINY_MLM, tiny_later
from iconotext.models.system import Layout, Recipe, System
from iconotext.nn.schedule import text_layer
from iconotext.nn.terms import Feature, LinkedRegion, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives import ITM, MLM, Negatives, Together

B2T2 = System(
    name="b2t2",
    title="B2T2",
    paper="Alberti et al., Fusion of Detected Objects in Text for Visual Question Answering, EMNLP 2019",
    text=TextEmbedding((Word(), Position(512), Segment(2), LinkedRegion())),
    region=RegionEmbedding((Feature(),), norm=False),
    schedule=12 * text_layer(),
    pool=FirstToken("tanh"),
    mix=Together((MLM(rate=0.15, only_matched=True), ITM(negatives=Negatives(0.5, "text"), matched=1))),
    answer=AnswerHeadKind("transform", hidden=2.0),
    downstream=Downstream("sigmoid"),
    layout=Layout(whole_image="mean", link_whole=True, max_words=62, max_regions=36),
    recipe=Recipe(steps=400_000, batch=32, learning_rate=2e-5, warmup=40_000),
    sizes={
        "tiny": {
            "schedule": 3 * text_layer(),
            **SMALL,
            "mix": tiny_later(TINY_MLM, Together((TINY_MLM, TINY_ITM))),
        },
        "large": {"schedule": 24 * text_layer(), **LARGE},
    },
    departures=(
        "The paper's model is the large one.",
        "The whole image is added to [CLS], not to an [IMAGE] token of its own, and is the mean of its regions.",
        "Words name regions where the data links them; captions name none, so pre-training sees the whole image only.",
        "The exact GELU; dropout falls on the image vectors as well; the optional tables of box positions are left out.",
        "How the captions were pre-trained on was not published: shares and recipe are ours.",
    ),
)
