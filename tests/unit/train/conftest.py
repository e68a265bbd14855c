"""The toy of these tests, and a way to train it in processes of its own."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

TOY = Path(__file__).with_name("toy.py")
Launch = Callable[..., list[subprocess.Popen[str]]]


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toy", TOY)
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def launch() -> Launch:
    """Start the toy in ``size`` processes, as torchrun would."""

    def start(folder: Path, size: int = 1, **options: object) -> list[subprocess.Popen[str]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        base = {**os.environ, "OMP_NUM_THREADS": "1"}
        ranks = [
            {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(size), "RANK": str(r)}
            for r in range(size)
        ]
        command = [sys.executable, str(TOY), str(folder), json.dumps(options)]
        return [
            subprocess.Popen(command, env=base | (rank if size > 1 else {}), stderr=subprocess.PIPE, text=True)
            for rank in ranks
        ]

    return start
