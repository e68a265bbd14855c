"""A trained network on disk: ``NAME.safetensors`` and, beside it, ``NAME.json`` with all that is known of it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise

from iconotext.core.errors import DataError, MissingPiece
from iconotext.regions.network import Network, NetworkShape

FORMAT = "iconotext-detector/1"
SHIPPED = Path(str(files("iconotext.regions"))) / "weights" / "world.safetensors"
"""The weights in the package, trained on all 258 classes of the world."""


@dataclass(frozen=True)
class Weights:
    """A network ready for use (batch norms folded) and the names of what it knows, without background and "none".

    ``digest`` is the SHA-256 of the weights file, ``info`` everything in the JSON file (command, figures, curve).
    """

    network: Network
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    digest: str
    info: dict[str, Any]


def load(path: Path | None = None) -> Weights:
    """The weights at ``path``, or those that the package ships.

    Raises:
        MissingPiece: a file is not there.
        DataError: the files do not belong together or are of another version.
    """
    path = SHIPPED if path is None else path
    note = path.with_suffix(".json")
    for file in (path, note):
        if not file.is_file():
            raise MissingPiece(f"{file}: no such file; `iconotext detector train DATA --out {path}` makes a detector")
    try:
        info = json.loads(note.read_text(encoding="utf-8"))
        if info.get("format") != FORMAT:
            raise DataError(f"{note}: format {info.get('format')!r}, this version reads {FORMAT!r}")
        network = Network(_shape(info["shape"])).fold()
        network.load_state_dict(load_file(path))
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{path}: these are not the weights that {note.name} describes: {error}") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    network.requires_grad_(False)
    return Weights(network, tuple(info["classes"]), tuple(info["attributes"]), digest, info)


def save(
    path: Path, network: Network, classes: tuple[str, ...], attributes: tuple[str, ...], info: Mapping[str, Any]
) -> None:
    """Write a trained network, folded, and ``info`` (JSON values) beside it, each file whole or not at all."""
    tensors = {name: t.contiguous() for name, t in copy.deepcopy(network).cpu().fold().state_dict().items()}
    head = {"format": FORMAT, "shape": asdict(network.shape), "classes": classes, "attributes": attributes}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(serialise(tensors))
    aside.replace(path)
    note = path.with_suffix(".json")
    aside = note.with_name(f".{note.name}.part")
    aside.write_text(json.dumps({**head, **info}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    aside.replace(note)


def _shape(values: Mapping[str, Any]) -> NetworkShape:
    settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return NetworkShape(**settings)
