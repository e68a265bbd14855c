"""The detectors by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from iconotext.core.errors import ConfigError
from iconotext.core.fingerprint import Fingerprint
from iconotext.regions import weights
from iconotext.regions.detections import Detector
from iconotext.regions.given import BoxesDetector
from iconotext.regions.grid import GridDetector, parse_grid
from iconotext.regions.patches import PatchDetector
from iconotext.regions.reader import Reader
from iconotext.regions.select import Selection
from iconotext.regions.world import PICTURE, WorldDetector


@dataclass(frozen=True)
class DetectorOptions:
    """``weights`` is a file of `iconotext detector train`, None the one in the package; ``device`` "auto" takes a GPU.

    ``selection`` is how the world's detector chooses regions, ``columns`` and ``rows`` are the cells of the grid
    and the patches.
    """

    weights: Path | None = None
    selection: Selection = field(default_factory=Selection)
    columns: int = 6
    rows: int = 4
    device: str = "auto"

    @property
    def torch_device(self) -> torch.device:
        """The device itself."""
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(auto if self.device == "auto" else self.device)


def _reader(options: DetectorOptions) -> Reader:
    """The small network of the world, on its device."""
    found = weights.load(options.weights)
    found.network.to(options.torch_device)
    return Reader(found, options.torch_device)


DETECTORS: dict[str, Callable[[DetectorOptions], Detector]] = {
    "world": lambda options: WorldDetector(_reader(options), options.selection),
    "grid": lambda options: GridDetector(_reader(options), options.columns, options.rows),
    "patches": lambda options: PatchDetector(options.columns, options.rows),
    "boxes": lambda options: BoxesDetector(_reader(options)),
}


def open_detector(name: str, options: DetectorOptions | None = None) -> Detector:
    """The detector of this name, ready for use.

    Raises:
        ConfigError: there is none.
        MissingPiece: its weights are not there.
    """
    if name not in DETECTORS:
        raise ConfigError(f"no detector is called {name!r}; there are {', '.join(DETECTORS)}")
    return DETECTORS[name](options or DetectorOptions())


def open_like(fingerprint: Fingerprint, options: DetectorOptions | None = None) -> Detector:
    """The detector that makes features as the fingerprint says: its name, with its selection or its grid.

    Raises:
        FingerprintError: its weights or a rule are others here.
    """
    options = options or DetectorOptions()
    match fingerprint.detector:
        case "world":
            options = replace(options, selection=Selection.parse(fingerprint.boxes.removesuffix(PICTURE)))
        case "grid" | "patches":
            columns, rows = parse_grid(fingerprint.boxes)
            options = replace(options, columns=columns, rows=rows)
    detector = open_detector(fingerprint.detector, options)
    fingerprint.require(detector.fingerprint, f"detector {fingerprint.detector!r}")
    return detector
