"""UNITER as VOLTA controls it: no mask vector, all objectives together (Bugliarello et al., TACL 2021)."""

from iconotext.models.controlled import CONTROLLED, CONTROLLED_SMALL
from iconotext.models.system import Layout, System
from iconotext.nn.schedule import joint_layer
from iconotext.nn.terms import Feature, Location, RegionEmbedding, Segment, TextEmbedding

CTRL_UNITER = System(
    name="ctrl_uniter",
    title="UNITER, controlled",
    text=TextEmbedding(),
    region=RegionEmbedding((Feature(norm=True), Location("box5", norm=True), Segment(shared=True))),
    schedule=12 * joint_layer(),
    sizes={"tiny": {"schedule": 3 * joint_layer(), **CONTROLLED_SMALL}},
    **CONTROLLED | {"layout": Layout(whole_image="mean", region_segment=1, max_words=36, max_regions=36)},
)
