"""Published files as tensors by name. Nothing in a file is ever run: pickles are read by torch's restricted loader only."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from iconotext.convert import paddle
from iconotext.core.errors import ConfigError, DataError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""What a folder in Hugging Face's form calls its weights; in pieces, ``.index.json`` follows the name."""
PICKLED = (".bin", ".pth", ".pt", ".th", ".model", ".ckpt", ".tar")
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "module")
"""Names under which training code keeps the tensors beside an optimizer's and other things."""
TENSORFLOW = (
    "TensorFlow checkpoints are not read here. transformers < 5 with TensorFlow beside it reads them: "
    "`BertForPreTraining.from_pretrained(FOLDER, from_tf=True).save_pretrained(OUT)`; then convert OUT."
)
SAFER = "If you trust it, load it where it was made and save its tensors as .safetensors."


@dataclass(frozen=True)
class Source:
    """A checkpoint as it was published: its tensors, and the config and tokenizer beside them where there are any."""

    path: Path
    state: Mapping[str, Tensor]
    config: Mapping[str, Any] | None
    tokenizer: Path | None


def read(path: Path) -> Source:
    """A file of weights, a folder in Hugging Face's form (weights, config, tokenizer), or one of Paddle's parameters.

    ``.safetensors`` are read directly, ``.bin``, ``.pth`` and other files of ``torch.save`` without running what they hold.

    Raises:
        DataError: there is nothing, it is damaged, it is of a kind that is not read, or it wants to run code.
    """
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        if path.with_name(path.name + ".index").exists():
            raise DataError(f"{path}: {TENSORFLOW}")
        raise DataError(f"{path} does not exist: name a file of weights or a folder that holds one.")
    state = _folder(path) if path.is_dir() else read_tensors(path)
    config = folder / "config.json"
    names = ("tokenizer.json", "vocab.txt")
    return Source(
        path,
        state,
        read_config(config) if config.is_file() else None,
        next((folder / name for name in names if (folder / name).is_file()), None),
    )


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a JSON file.

    Raises:
        ConfigError: it cannot be read or is no mapping.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no JSON config ({error}).") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is no config: it holds a {type(found).__name__}, not settings by name.")
    return found


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of one file, by name.

    Raises:
        DataError: it is damaged, of a kind that is not read, or wants to run code.
    """
    if path.suffix == ".index":
        raise DataError(f"{path}: {TENSORFLOW}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix not in PICKLED:
            raise DataError(f"{path}: expected .safetensors, {', '.join(PICKLED)}, or a folder that holds such a file.")
        return _named(torch.load(path, map_location="cpu", weights_only=True), path)
    except pickle.UnpicklingError as error:
        raise DataError(f"{path} is refused, and nothing in it was run: {_said(error)}. {SAFER}") from error
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        tar = "legacy .tar" in str(error)
        raise DataError(f"{path} cannot be read: {_said(error)}.{' ' + SAFER if tar else ''}") from error


def _folder(path: Path) -> dict[str, Tensor]:
    for name in WEIGHTS:
        if (path / name).is_file():
            return read_tensors(path / name)
        if (path / f"{name}.index.json").is_file():
            return _pieces(path / f"{name}.index.json")
    if any(path.glob("*.index")):
        raise DataError(f"{path}: {TENSORFLOW}")
    if found := paddle.read_folder(path):
        return found
    raise DataError(f"{path} holds no {' or '.join(WEIGHTS)}; name the file itself.")


def _pieces(index: Path) -> dict[str, Tensor]:
    """The tensors that an index lists, from the files beside it and no others."""
    listed = read_config(index).get("weight_map")
    if not isinstance(listed, dict):
        raise DataError(f"{index} has no weight_map; download it again.")
    found: dict[str, Tensor] = {}
    for name in sorted({str(name) for name in listed.values()}):
        if Path(name).name != name:
            raise DataError(f"{index} names {name!r}, which is not a file beside it.")
        found |= read_tensors(index.with_name(name))
    missing = sorted(listed.keys() - found.keys())
    if missing:
        raise DataError(f"{index} lists {missing[0]} and {len(missing) - 1} more that its files do not hold.")
    return found


def _named(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The tensors themselves, out of what training code keeps beside them."""
    if isinstance(loaded, Mapping):
        inner = next((loaded[name] for name in WRAPPERS if isinstance(loaded.get(name), Mapping)), loaded)
        if inner and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in inner.items()):
            return dict(inner)
        strange = next((key for key, value in inner.items() if not isinstance(value, Tensor)), "")
        raise DataError(f"{path} holds no tensors by name{f': {strange!r} is none' if strange else ''}.")
    raise DataError(f"{path} holds a {type(loaded).__name__}, not tensors by name.")


def _said(error: Exception) -> str:
    """What torch says is wrong, without its advice on how to load unsafely."""
    text = str(error).partition(" In PyTorch 2.6")[0].strip().splitlines()
    said = next((line.strip() for line in text if "GLOBAL" in line or "Unsupported" in line), text[0] if text else "")
    return said.rstrip(".") or type(error).__name__
