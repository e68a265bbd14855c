"""ViLBERT as VOLTA controls it: co-attention between streams of one width (Bugliarello et al., TACL 2021)."""

from iconotext.models.controlled import CONTROLLED, CONTROLLED_SMALL
from iconotext.models.system import System
from iconotext.nn.schedule import co_layer, text_layer, twin_layer
from iconotext.nn.terms import Feature, Location, RegionEmbedding, TextEmbedding

CTRL_VILBERT = System(
    name="ctrl_vilbert",
    title="ViLBERT, controlled",
    text=TextEmbedding(),
    region=RegionEmbedding((Feature(), Location("box5"))),
    schedule=6 * text_layer() + 6 * (co_layer() + twin_layer()),
    sizes={"tiny": {"schedule": 2 * (co_layer() + twin_layer()), **CONTROLLED_SMALL}},
    **CONTROLLED,
)
