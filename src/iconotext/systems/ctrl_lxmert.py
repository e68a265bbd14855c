"""LXMERT as VOLTA controls it: a whole-image token, both streams pooled (Bugliarello et al., TACL 2021)."""

from iconotext.models.controlled import CONTROLLED, CONTROLLED_SMALL
from iconotext.models.system import System
from iconotext.nn.schedule import cross_layer, text_layer, twin_layer
from iconotext.nn.terms import Feature, Location, RegionEmbedding, TextEmbedding

CTRL_LXMERT = System(
    name="ctrl_lxmert",
    title="LXMERT, controlled",
    text=TextEmbedding(),
    region=RegionEmbedding((Feature(norm=True), Location("box5", norm=True)), mean=True),
    schedule=5 * twin_layer() + 4 * text_layer() + 5 * cross_layer(),
    sizes={"tiny": {"schedule": twin_layer() + 2 * cross_layer(), **CONTROLLED_SMALL}},
    **CONTROLLED,
)
