"""Whether what a command needs is here, told from its flags before PyTorch is imported, which takes seconds.

What only PyTorch or the networks' own libraries can tell (a network's name, a layer) is left to the command itself.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from iconotext.core.artefacts import TORCHVISION, hub_folder, hub_is_empty, manifest, require_weights
from iconotext.core.errors import MissingPiece
from iconotext.core.files import require_checkpoint

_NOTED = ("world", "grid", "patches", "boxes")
"""Detectors whose weights have a note beside them, unless they look with a backbone."""


def require_detector(name: str, model: str, weights: Path | None, backbone: str) -> None:
    """Look for the weights of a detector, as ``regions.open_detector`` will.

    Raises:
        MissingPiece: they are not here; the message says what is missing, its hash, and where to put it.
    """
    source, _, network = backbone.partition(":")
    asked_by = f"backbone {backbone}" if backbone else f"detector {name} {model}".strip()
    if name == "torchvision":
        source, network = name, model
    if weights is not None and not weights.is_file() and (weights.suffix or source != "torchvision"):
        raise MissingPiece(f"{weights}: no such weights file")
    known = manifest()
    match name, source:
        case "transformers", _:
            hub_folder(model)
        case "onnx", _:
            _require_files(Path(model), Path(model).with_suffix(".json"))
        case "bottom-up", _ if weights is None:
            known["bottom-up"].require("the detector bottom-up, if --weights names no file,")
        case _, "torchvision" if weights is None or not weights.is_file():
            published = {key.rpartition(" ")[2]: key for key in known if key.startswith(f"{TORCHVISION}{network} ")}
            wanted = published.get(str(weights)) if weights else next(iter(published.values()), None)
            if wanted is not None:
                known[wanted].require(asked_by)
        case _, "efficientnet-lite" if weights is None and network in known:
            known[network].require(asked_by)
        case _, "timm" if weights is None and hub_is_empty():
            raise MissingPiece(
                f"{asked_by} needs its weights: give them with `--weights FILE` (model.safetensors of timm/{network} on the "
                "Hugging Face hub, or your own)"
            )
        case _ if weights is not None and not backbone and name in _NOTED:
            _require_files(weights.with_suffix(".json"))


def require_model(run: Path) -> None:
    """Look for a model and for the weights that find the regions of its pictures.

    Raises:
        MissingPiece: they are not here; the message says what is missing, its hash, and where to put it.
    """
    require_checkpoint(run)
    try:
        made_by = json.loads((run / "features.json").read_text("utf-8"))["fingerprint"]
        detector, weights = str(made_by["detector"]), str(made_by["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # Whoever reads the checkpoint says what is wrong with it.
    if re.fullmatch("[0-9a-f]{64}", weights):
        require_weights(detector, weights)


def _require_files(*files: Path) -> None:
    for file in files:
        if not file.is_file():
            raise MissingPiece(f"{file}: no such file (docs/how/detectors.md tells what belongs to a detector)")
