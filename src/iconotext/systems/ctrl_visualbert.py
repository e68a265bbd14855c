"""VisualBERT as VOLTA controls it: no locations, hidden regions are guessed too (Bugliarello et al., TACL 2021)."""

from iconotext.models.controlled import CONTROLLED, CONTROLLED_SMALL
from iconotext.models.system import Layout, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, Position, RegionEmbedding, Segment, TextEmbedding

CTRL_VISUALBERT = System(
    name="ctrl_visualbert",
    title="VisualBERT, controlled",
    text=TextEmbedding(),
    region=RegionEmbedding((Feature(), Position(512), Segment(2)), shared_norm=True),
    schedule=12 * joint_layer(),
    sizes={"tiny": {"schedule": 3 * joint_layer(), **CONTROLLED_SMALL}},
    **CONTROLLED | {"layout": Layout(whole_image="mean", region_segment=1, max_words=36, max_regions=36)},
)
