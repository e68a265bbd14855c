"""The tensors of a recorded case: as they were recorded, or packed by xz."""

from __future__ import annotations

import lzma
from pathlib import Path

from safetensors.torch import load, load_file
from torch import Tensor


def recorded(folder: Path, name: str) -> dict[str, Tensor]:
    """The tensors of ``name``.safetensors, or of ``name``.safetensors.xz."""
    path = folder / f"{name}.safetensors"
    return load_file(path) if path.is_file() else load(lzma.decompress(Path(f"{path}.xz").read_bytes()))
