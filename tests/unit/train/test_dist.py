"""Two processes give what one gives."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from iconotext.train import state
from iconotext.train.dist import BUCKET, _buckets, world
from iconotext.train.optim import adamw


def model_at(toy: ModuleType, run: Path, step: int) -> dict[str, torch.Tensor]:
    model = toy.Model()
    state.load(state.folder(run, step), model, adamw(model, toy.config()))
    return dict(model.state_dict())


def test_two_processes_give_what_one_gives(tmp_path: Path, toy: ModuleType, launch: Callable) -> None:
    workers = launch(tmp_path / "two", size=2, accumulate=2)
    _, one = toy.run(tmp_path / "one")
    for worker in workers:
        assert worker.wait(100) == 0, worker.stderr.read()
    torch.testing.assert_close(model_at(toy, tmp_path / "two", 20), dict(one.state_dict()), atol=1e-5, rtol=0)
    for two, alone in zip(toy.numbers(tmp_path / "two"), toy.numbers(tmp_path / "one"), strict=True):
        assert two[:2] == alone[:2]
        assert two[2] == pytest.approx(alone[2], abs=1e-5)
    _, found = toy.run(tmp_path / "two", steps=22)
    _, whole = toy.run(tmp_path / "one", steps=22)
    torch.testing.assert_close(dict(found.state_dict()), dict(whole.state_dict()), atol=1e-5, rtol=0)


def test_a_stop_of_one_process_stops_all_after_the_same_step(tmp_path: Path, toy: ModuleType, launch: Callable) -> None:
    workers = launch(tmp_path, size=2, steps=100_000, slow=True)
    toy.wait_for(tmp_path, step=3)
    workers[1].send_signal(signal.SIGTERM)
    assert [worker.wait(100) for worker in workers] == [130, 130]
    assert len(toy.numbers(tmp_path)) == state.steps(tmp_path)[-1]


def test_buckets_hold_each_parameter_once_and_one_type() -> None:
    sizes = [BUCKET - 1, 2, 5, BUCKET + 9, 3]
    parameters = [torch.nn.Parameter(torch.empty(size, device="meta")) for size in sizes]
    parameters.append(torch.nn.Parameter(torch.empty(3, dtype=torch.bfloat16, device="meta")))
    buckets = list(_buckets(parameters))
    assert [[p.numel() for p in bucket] for bucket in buckets] == [[BUCKET - 1], [2, 5], [BUCKET + 9], [3], [3]]


def test_alone_every_exchange_is_the_identity() -> None:
    here = world()
    assert (here.rank, here.size, here.main) == (0, 1, True)
    assert here.add([1.0, 2.0]) == [1.0, 2.0]
    assert here.from_main("x") == "x"
    assert here.collect(["y"]) == ["y"]
