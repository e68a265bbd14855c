"""A kill at any moment loses nothing."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from iconotext.train import state


def test_killed_at_random_moments_it_ends_as_if_nothing_had_been(
    tmp_path: Path, toy: ModuleType, launch: Callable
) -> None:
    options = {"steps": 120, "dropout": 0.2, "save_every": 4, "slow": True}
    moments = random.Random(time.time_ns())
    for _ in range(2):
        (worker,) = launch(tmp_path / "cut", **options)
        toy.wait_for(tmp_path / "cut", step=(state.steps(tmp_path / "cut") or [0])[-1] + 2)
        time.sleep(moments.uniform(0, 0.2))
        worker.kill()
        worker.wait()
    _, found = toy.run(tmp_path / "cut", **{**options, "slow": False})
    _, whole = toy.run(tmp_path / "whole", **{**options, "slow": False})
    assert toy.numbers(tmp_path / "cut") == toy.numbers(tmp_path / "whole")
    assert toy.same(found, whole)
