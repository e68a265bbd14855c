"""Two processes under torchrun train to the same weights as one with the same global batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from toy_data import make_data, make_store

from iconotext.train.log import read

TOLERANCE = 1e-5


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def trained(folder: Path, out: str, launcher: list[str], *command: object) -> dict[str, object]:
    """Fp32 steps of a tiny system; returns its weights."""
    run = [*launcher, "-m", "iconotext", *command, "--data", folder / "data", "--store", folder / "store"]
    options = ["--out", folder / out, "--size", "tiny", "--batch", 16, "--warmup", 5]
    options += ["--precision", "fp32", "--workers", 0]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, [*run, *options])), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(load_file(folder / out / "model.safetensors"))


def assert_same(one: dict[str, object], two: dict[str, object]) -> None:
    assert one.keys() == two.keys()
    worst = max(float((one[name] - two[name]).abs().max()) for name in one)  # type: ignore[operator]
    assert worst <= TOLERANCE, f"parameters differ by {worst:.2e}"


@pytest.mark.parametrize("system", ["uniter", "vilbert"])
def test_two_processes_are_one(tmp_path: Path, system: str) -> None:
    make_data(tmp_path / "data")
    make_store(tmp_path / "store")
    command = ["pretrain", "--system", system, "--steps", 20, "--learning-rate", 1e-3]
    assert_same(trained(tmp_path, "one", [sys.executable], *command), trained(tmp_path, "two", TORCHRUN, *command))


def test_two_processes_take_turns_at_several_tasks_as_one(tmp_path: Path) -> None:
    """Whose turn it is depends on what the tasks score; all processes find the same."""
    make_data(tmp_path / "data")
    make_store(tmp_path / "store")
    command = ["finetune", "multi", "vqa", "expressions", "--system", "uniter", "--steps", 24, "--evaluate-every", 3]
    command += ["--log-every", 1, "--learning-rate", 1e-4]
    assert_same(trained(tmp_path, "one", [sys.executable], *command), trained(tmp_path, "two", TORCHRUN, *command))
    one, two = (
        [line for line in read(tmp_path / name / "log.jsonl") if line["kind"] != "note"] for name in ("one", "two")
    )
    turns = [[list(line["losses"]) for line in lines if line["kind"] == "step"] for lines in (one, two)]  # type: ignore[call-overload]
    assert turns[0] == turns[1]
    assert turns[0] != [["vqa"], ["expressions"]] * 12, "no task was stopped"
