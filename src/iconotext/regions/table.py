"""The detectors by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from iconotext.core.artefacts import manifest, require_weights
from iconotext.core.errors import ConfigError, MissingPiece
from iconotext.core.fingerprint import Fingerprint
from iconotext.regions import weights
from iconotext.regions.bottom_up import BottomUpDetector, PublishedSelection, load_bottom_up
from iconotext.regions.detections import Detector
from iconotext.regions.exported import ExportedDetector
from iconotext.regions.given import BoxesDetector
from iconotext.regions.grid import GridDetector, parse_grid
from iconotext.regions.hub import HubDetector, load_hub
from iconotext.regions.patches import PatchDetector
from iconotext.regions.pool import GIVEN
from iconotext.regions.pooled import MapDetector, PooledDetector
from iconotext.regions.rcnn import RcnnDetector, load_rcnn
from iconotext.regions.reader import Reader
from iconotext.regions.resize import Frame
from iconotext.regions.select import Selection
from iconotext.regions.visual import Visual, load_visual
from iconotext.regions.world import PICTURE, WorldDetector


@dataclass(frozen=True)
class DetectorOptions:
    """What the detectors need; each takes what concerns it.

    ``weights`` is a file (world: of `iconotext detector train`; None takes what is published with the network), ``model`` the
    network (torchvision: its name; transformers: a folder or a name of the hub; onnx: a file), ``backbone`` what grid, patches
    and boxes look with in place of the world's network, ``layer`` where a feature is read. ``ask`` are the things that a
    detector of open vocabulary looks for. ``given`` reads boxes that are given and finds none. ``selection`` is how found
    boxes become regions, ``columns`` and ``rows`` are the cells of grid and patches, ``frame`` the size that a backbone sees.
    ``device`` "auto" takes a GPU.
    """

    weights: Path | None = None
    model: str = ""
    backbone: str = ""
    layer: str = ""
    ask: tuple[str, ...] = ()
    given: bool = False
    selection: Selection = field(default_factory=Selection)
    columns: int = 6
    rows: int = 4
    frame: Frame = field(default_factory=lambda: Frame(512, 384))
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


def _visual(options: DetectorOptions) -> Visual:
    return load_visual(options.backbone, options.weights, options.layer, options.torch_device)


def _world(options: DetectorOptions) -> Detector:
    return BoxesDetector(_reader(options)) if options.given else WorldDetector(_reader(options), options.selection)


def _grid(options: DetectorOptions) -> Detector:
    if not options.backbone:
        return GridDetector(_reader(options), options.columns, options.rows)
    cells = options.columns, options.rows
    return PooledDetector(_visual(options), options.frame, options.torch_device, cells)


def _patches(options: DetectorOptions) -> Detector:
    if not options.backbone:
        return PatchDetector(options.columns, options.rows)
    return MapDetector(_visual(options), options.columns, options.rows, options.torch_device)


def _boxes(options: DetectorOptions) -> Detector:
    if not options.backbone:
        return BoxesDetector(_reader(options))
    return PooledDetector(_visual(options), options.frame, options.torch_device)


def _torchvision(options: DetectorOptions) -> Detector:
    rcnn = load_rcnn(options.model, options.weights)
    return RcnnDetector(rcnn, options.selection, options.torch_device, options.given)


def _transformers(options: DetectorOptions) -> Detector:
    hub = load_hub(options.model, options.ask)
    return HubDetector(hub, options.selection, options.torch_device, options.layer, options.given)


def _onnx(options: DetectorOptions) -> Detector:
    return ExportedDetector(Path(options.model), options.selection, options.torch_device)


def _bottom_up(options: DetectorOptions) -> Detector:
    weights = options.weights or manifest()["bottom-up"].require("the detector bottom-up, if --weights names no file,")
    rule = options.selection
    selection = PublishedSelection(rule.minimum, rule.maximum, rule.threshold)
    return BottomUpDetector(load_bottom_up(weights), selection, options.torch_device, options.given)


DETECTORS: dict[str, Callable[[DetectorOptions], Detector]] = {
    "world": _world,
    "grid": _grid,
    "patches": _patches,
    "boxes": _boxes,
    "bottom-up": _bottom_up,
    "torchvision": _torchvision,
    "transformers": _transformers,
    "onnx": _onnx,
}


def open_detector(name: str, options: DetectorOptions | None = None) -> Detector:
    """The detector of this name, ready for use.

    Raises:
        ConfigError: there is none, or an option is out of range.
        MissingPiece: its weights, or a package that it needs, are not there.
    """
    if name not in DETECTORS:
        raise ConfigError(f"no detector is called {name!r}; there are {', '.join(DETECTORS)}")
    return DETECTORS[name](options or DetectorOptions())


def open_like(
    fingerprint: Fingerprint, options: DetectorOptions | None = None, class_names: Sequence[str] = ()
) -> Detector:
    """The detector that makes features as the fingerprint says, from ``weights`` or ``model`` or, without these, from what is
    here; ``class_names`` are what it was asked for, where it was.

    Raises:
        MissingPiece: it or its weights are not here; the message names them, their hash, and where to put them.
        FingerprintError: its weights or a rule are others here.
    """
    options = options or DetectorOptions()
    name, _, rest = fingerprint.detector.partition(":")
    if name not in DETECTORS:
        raise MissingPiece(
            f"the features were made by {fingerprint.detector!r} (weights sha256 {fingerprint.weights}), which is none of "
            f"the detectors here: {', '.join(DETECTORS)}"
        )
    detector = DETECTORS[name](_like(fingerprint, _at_hand(fingerprint, options, name), name, rest, class_names))
    fingerprint.require(detector.fingerprint, f"detector {fingerprint.detector!r}")
    return detector


def _like(
    fingerprint: Fingerprint, options: DetectorOptions, name: str, rest: str, class_names: Sequence[str]
) -> DetectorOptions:
    """The options that the fingerprint tells."""
    match name:
        case "grid" | "patches" | "boxes" if rest:
            width, height = map(int, re.findall(r"(\d+)x(\d+)", fingerprint.resize)[0])
            layer = fingerprint.layer.partition(",")[0]
            options = replace(
                options, backbone=rest, layer="" if layer == "last" else layer, frame=Frame(width, height)
            )
        case "torchvision":
            options = replace(options, model=rest)
        case "transformers":
            asked = tuple(class_names[1:]) if ", asked" in rest else ()
            options = replace(options, layer=fingerprint.layer.partition(",")[0], ask=asked)
    if fingerprint.boxes == GIVEN:
        return replace(options, given=True)
    if fingerprint.boxes.startswith("grid"):
        columns, rows = parse_grid(fingerprint.boxes)
        return replace(options, columns=columns, rows=rows)
    if name == "bottom-up":
        rule = PublishedSelection.parse(fingerprint.boxes)
        return replace(options, selection=Selection(rule.minimum, rule.maximum, rule.threshold))
    return replace(options, selection=Selection.parse(fingerprint.boxes.removesuffix(PICTURE)))


def _at_hand(fingerprint: Fingerprint, options: DetectorOptions, name: str) -> DetectorOptions:
    """The options with the weights of that hash, where none are named.

    Raises:
        MissingPiece: they are not here.
    """
    if options.weights or options.model:
        return options
    found = require_weights(fingerprint.detector, fingerprint.weights)
    if found is None:
        return options
    return replace(options, **({"model": str(found)} if name in ("onnx", "transformers") else {"weights": found}))
