from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch

from iconotext.core.errors import DataError
from iconotext.data.loader import Loader


@dataclass(frozen=True)
class Made:
    number: int
    tensor: torch.Tensor
    pid: int


def make(number: int) -> Made:
    if number == 7:
        raise DataError("seven is broken")
    return Made(number, torch.full((3,), number), os.getpid())


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    wait_until(lambda: not multiprocessing.active_children())


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_items_come_in_order_from_any_number_of_workers(workers: int) -> None:
    loader = Loader(make, 10, 30, workers)
    made = list(loader)
    assert [item.number for item in made] == list(range(10, 30)) == [int(item.tensor[0]) for item in made]
    assert len(loader) == 20
    assert len({item.pid for item in made} - {os.getpid()}) == workers


@pytest.mark.parametrize("workers", [0, 2])
def test_an_empty_range_gives_nothing(workers: int) -> None:
    assert list(Loader(make, 5, 5, workers)) == []
    assert len(Loader(make, 5, 2, workers)) == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_when_its_turn_comes(workers: int) -> None:
    items = iter(Loader(make, 4, 20, workers))
    assert [next(items).number for _ in range(3)] == [4, 5, 6]
    with pytest.raises(DataError) as caught:
        next(items)
    assert str(caught.value) == "seven is broken"
    assert bool(workers) == any("in make" in note for note in getattr(caught.value, "__notes__", []))


def test_an_early_end_stops_the_workers() -> None:
    items = iter(Loader(make, 10, 10_000, 2))
    assert next(items).number == 10
    assert len(multiprocessing.active_children()) == 2
    del items


def test_the_number_of_workers_leaves_torch_s_random_numbers_alone() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    list(Loader(make, 10, 14, 2))
    assert torch.equal(torch.random.get_rng_state(), before)


ITERATE = """
import os, pathlib, sys, time
from iconotext.data.loader import Loader

folder = pathlib.Path(sys.argv[1])

def slow(number):
    (folder / str(os.getpid())).touch()
    time.sleep(0.01)
    return number

for number in Loader(slow, 0, 100_000, 2):
    (folder / "seen").write_text(str(number))
"""


def test_no_worker_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    parents = {}
    for how in (signal.SIGINT, signal.SIGKILL):
        folder = tmp_path / how.name
        folder.mkdir()
        # A shell's background job ignores SIGINT, and its children would.
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        command = [sys.executable, "-c", ITERATE, str(folder)]
        parents[how] = subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=heard)
    wait_until(lambda: all((tmp_path / how.name / "seen").exists() for how in parents))
    workers = [int(file.name) for file in tmp_path.glob("*/[0-9]*")]
    assert len(workers) >= 2
    for how, parent in parents.items():
        parent.send_signal(how)
        parent.wait(60)
    wait_until(lambda: not any(map(alive, workers)))


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
