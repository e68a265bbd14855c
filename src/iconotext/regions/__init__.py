"""Where regions come from: detectors, grids, given boxes."""

from iconotext.regions.detections import Detections, Detector, Picture
from iconotext.regions.draw import draw_regions
from iconotext.regions.resize import Fitted, fit
from iconotext.regions.select import Selection
from iconotext.regions.table import DETECTORS, DetectorOptions, open_detector, open_like

__all__ = [
    "DETECTORS",
    "Detections",
    "Detector",
    "DetectorOptions",
    "Fitted",
    "Picture",
    "Selection",
    "draw_regions",
    "fit",
    "open_detector",
    "open_like",
]
