"""Two processes under torchrun train to the same weights as one with the same global batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from toy_data import make_data, make_store

TOLERANCE = 1e-5


def pretrain(folder: Path, out: str, system: str, launcher: list[str]) -> dict[str, object]:
    """Twenty fp32 steps of a tiny system; returns its weights."""
    command = [*launcher, "-m", "iconotext", "pretrain", "--data", folder / "data", "--store", folder / "store"]
    options = ["--out", folder / out, "--system", system, "--size", "tiny", "--steps", 20, "--batch", 16]
    options += ["--warmup", 5, "--learning-rate", 1e-3, "--precision", "fp32", "--workers", 0]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, [*command, *options])), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(load_file(folder / out / "model.safetensors"))


@pytest.mark.parametrize("system", ["uniter", "vilbert"])
def test_two_processes_are_one(tmp_path: Path, system: str) -> None:
    make_data(tmp_path / "data")
    make_store(tmp_path / "store")
    one = pretrain(tmp_path, "one", system, [sys.executable])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    two = pretrain(tmp_path, "two", system, torchrun)
    assert one.keys() == two.keys()
    worst = max(float((one[name] - two[name]).abs().max()) for name in one)  # type: ignore[operator]
    assert worst <= TOLERANCE, f"parameters differ by {worst:.2e}"
