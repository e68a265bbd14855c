"""The detector of bottom-up attention, whose features most models of the field were trained on."""

from iconotext.regions.bottom_up.detector import BottomUp, BottomUpDetector, load_bottom_up
from iconotext.regions.bottom_up.network import BottomUpNetwork, BottomUpShape
from iconotext.regions.bottom_up.select import PublishedSelection

__all__ = [
    "BottomUp",
    "BottomUpDetector",
    "BottomUpNetwork",
    "BottomUpShape",
    "PublishedSelection",
    "load_bottom_up",
]
