"""A tiny model with two objectives and its batches, each a pure function of their number; also a script that trains it.

Row i belongs to step i // ROWS. Objective b scores every third row, and only in even steps, so that counts are uneven and
its head goes without gradient in odd steps.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from iconotext.core.batch import Loss
from iconotext.core.seed import generator
from iconotext.train.config import TrainConfig
from iconotext.train.dist import processes, world
from iconotext.train.log import read
from iconotext.train.loop import TrainResult, train

ROWS = 24
WEIGHTS = {"a": 1.0, "b": 0.5}


class Model(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.LayerNorm(16), nn.Dropout(dropout))
        self.head_a, self.head_b, self.unused = nn.Linear(16, 1), nn.Linear(16, 1), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


@dataclass(frozen=True)
class Micro:
    x: Tensor
    y: Tensor
    b: Tensor
    ids: tuple[int, ...]
    tokens: int = 7

    @property
    def rows(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> Mapping[str, float]:
        scored = float(self.b.sum())
        return {"a": float(self.rows), "b": scored} if scored else {"a": float(self.rows)}

    def to(self, device: torch.device) -> Micro:
        return Micro(self.x.to(device), self.y.to(device), self.b.to(device), self.ids)


def micro(first: int, count: int) -> Micro:
    ids = range(first, first + count)
    x = np.stack([generator(3, "toy", i).standard_normal(6) for i in ids])
    tensor = torch.tensor(x, dtype=torch.float32)
    b = torch.tensor([i % 3 == 0 and (i // ROWS) % 2 == 0 for i in ids])
    return Micro(tensor, tensor[:, 0] * tensor[:, 1], b, tuple(ids))


def stream(accumulate: int, rank: int = 0, size: int = 1) -> Callable[[int], Iterator[Micro]]:
    count = ROWS // accumulate // size

    def start(index: int) -> Iterator[Micro]:
        while True:
            yield micro((index * size + rank) * count, count)
            index += 1

    return start


def losses(model: nn.Module, batch: Micro) -> Mapping[str, Loss]:
    hidden = model(batch.x)
    a = (model.head_a(hidden)[:, 0] - batch.y).square()
    found = {"a": Loss(a.sum(), torch.tensor(float(len(a))))}
    if batch.b.any():
        b = (model.head_b(hidden[batch.b])[:, 0] + batch.y[batch.b]).abs()
        found["b"] = Loss(b.sum(), torch.tensor(float(len(b))))
    return found


def slow_losses(model: nn.Module, batch: Micro) -> Mapping[str, Loss]:
    time.sleep(0.01)
    return losses(model, batch)


def config(**changes: object) -> TrainConfig:
    settings = {"steps": 20, "learning_rate": 1e-2, "warmup": 4, "precision": "fp32", "log_every": 1, "save_every": 5}
    return TrainConfig(**{**settings, **changes})


def run(folder: Path, dropout: float = 0.0, slow: bool = False, **changes: object) -> tuple[TrainResult, Model]:
    here, settings, model = world(), config(**changes), Model(dropout)
    batches = stream(settings.accumulate, here.rank, here.size)
    return train(settings, folder, model, batches, slow_losses if slow else losses, WEIGHTS), model


def lines(folder: Path, kind: str = "step") -> list[dict]:
    return [line for line in read(folder / "log.jsonl") if line["kind"] == kind]


def numbers(folder: Path) -> list[tuple]:
    """What must be the same in two runs, of each logged step."""
    return [(x["step"], x["learning_rate"], x["losses"], x["gradient_norm"]) for x in lines(folder)]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def wait_for(folder: Path, step: int) -> None:
    """Until another process has logged this step."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if (folder / "log.jsonl").exists() and any(line["step"] >= step for line in lines(folder)):
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached")


if __name__ == "__main__":
    with processes():
        run(Path(sys.argv[1]), **json.loads(sys.argv[2]))
