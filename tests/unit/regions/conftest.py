from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from iconotext.core.seed import generator
from iconotext.regions import weights
from iconotext.regions.network import Network, NetworkShape
from iconotext.regions.reader import Reader

SHAPE = NetworkShape(3, 2, widths=(4, 6, 8, 8), joint=8, box_width=8, feature=12, pooled=3, proposals=40)


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny detector that has learned nothing, whose scores are spread over (0, 1)."""
    torch.manual_seed(1)
    network = Network(SHAPE)
    torch.nn.init.normal_(network.head.classes.weight, std=1.0)
    torch.nn.init.normal_(network.head.deltas.weight, std=0.5)
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    weights.save(path, network, ("cat", "dog", "猫"), ("red", "blue"), {"command": "made for a test"})
    return path


@pytest.fixture(scope="session")
def reader(weights_file: Path) -> Reader:
    return Reader(weights.load(weights_file), torch.device("cpu"))


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    """Coarse random patterns of several sizes, the network's own first."""
    sizes = [(192, 256), (100, 60), (37, 300), (192, 256), (500, 400)]
    found = []
    for index, (height, width) in enumerate(sizes):
        coarse = generator("picture", index).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        found.append(np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]))
    return found
