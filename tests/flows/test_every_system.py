"""Every system in its tiny size pre-trains with its own objectives: it learns, goes on after a stop, saves and loads.

On the tiny world: its regions, or patches in their place where a system's positions are a grid's.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from iconotext.cli.main import call
from iconotext.core.batch import Loss
from iconotext.models.checkpoint import load
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.nn.terms import GridPosition
from iconotext.objectives.base import Corrupted
from iconotext.objectives.mix import objectives
from iconotext.recipes import pretrain
from iconotext.systems import SYSTEMS
from iconotext.train.log import read

STEPS = 60
FALL = 0.95
"""What is left at most of the losses, added up by their weights: the last third of the run against the first."""
RISE = 1.25
"""What is left at most of any one of them, some being means over a handful of regions.

A distance that may be negative, as that of the transport, is not held to it.
"""
SHORT, HALF = 16, 7


@dataclass
class Watch:
    """Looks on while a model trains; after ``stop_after`` updates it asks for a stop as Ctrl-C does."""

    stop_after: int = 0
    seen: int = 0
    model: nn.Module = field(default_factory=nn.Identity)
    kinds: dict[tuple[str, ...], Corrupted] = field(default_factory=dict)
    """The last micro-batch of each choice of objectives."""

    def __call__(self, model: nn.Module, micro: Corrupted) -> Mapping[str, Loss]:
        self.seen, self.model, self.kinds[tuple(micro.targets)] = self.seen + 1, model, micro
        if self.seen == self.stop_after:
            signal.raise_signal(signal.SIGINT)
        found: Mapping[str, Loss] = model(micro)
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny world, its regions and its patches."""
    folder = tmp_path_factory.mktemp("every_system")
    world = str(folder / "data")
    for arguments in (
        ("world", world, "--size", "tiny", "--languages", "en"),
        ("extract", world, str(folder / "regions"), "--min", "2"),
        ("extract", world, str(folder / "patches"), "--detector", "patches"),
    ):
        assert call(arguments) == 0
    return folder


def trained(made: Path, out: Path, page: System, steps: int) -> list[Mapping[str, float]]:
    """Pre-trains as the command does; the losses of each step."""
    grid = any(isinstance(term, GridPosition) for term in page.region.terms)
    options = pretrain.PretrainOptions(
        data=made / "data",
        store=made / ("patches" if grid else "regions"),
        out=out,
        system=page.name,
        size="tiny",
        steps=steps,
        batch=16,
        learning_rate=2e-3,
        warmup=5,
        schedule="constant",
        precision="fp32",
        workers=0,
        log_every=1,
    )
    pretrain.run(options)
    return losses(out)


def losses(out: Path) -> list[Mapping[str, float]]:
    return [line["losses"] for line in read(out / "log.jsonl") if line["kind"] == "step"]  # type: ignore[misc]


@pytest.mark.parametrize("page", SYSTEMS.values(), ids=SYSTEMS)
def test_its_losses_fall(made: Path, tmp_path: Path, page: System) -> None:
    found = trained(made, tmp_path, page, STEPS)
    model = load(tmp_path).model
    assert isinstance(model, PretrainModel)
    weights = {objective.name: objective.weight for objective in objectives(model.system.mix)}
    assert weights.keys() == {name for step in found for name in step}
    begin, end = 0.0, 0.0
    for name, weight in weights.items():
        values = [step[name] for step in found if name in step]
        third = len(values) // 3
        first, last = float(np.mean(values[:third])), float(np.mean(values[-third:]))
        assert third >= 3, f"{name} had only {len(values)} steps"
        assert last <= RISE * first or min(values) < 0, f"{name} rose from {first:.3f} to {last:.3f}"
        begin, end = begin + weight * first, end + weight * last
    assert end <= FALL * begin, f"from {begin:.3f} to {end:.3f}"


@pytest.mark.parametrize("page", SYSTEMS.values(), ids=SYSTEMS)
def test_it_goes_on_after_a_stop_and_is_loaded_as_it_was_saved(
    made: Path, tmp_path: Path, page: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(made, tmp_path / "whole", page, SHORT)
    monkeypatch.setattr(pretrain, "losses_of", Watch(stop_after=HALF))
    with pytest.raises(SystemExit):
        trained(made, tmp_path / "stopped", page, SHORT)
    done = len(losses(tmp_path / "stopped"))
    assert HALF <= done < SHORT
    assert losses(tmp_path / "stopped") == whole[:done]
    watch = Watch()
    monkeypatch.setattr(pretrain, "losses_of", watch)
    assert trained(made, tmp_path / "stopped", page, SHORT) == whole
    assert watch.seen == SHORT - done
    one, two = (load_file(tmp_path / run / "model.safetensors") for run in ("whole", "stopped"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)

    loaded = load(tmp_path / "stopped").model
    with torch.no_grad():
        for micro in watch.kinds.values():
            was, now = watch.model.eval()(micro), loaded(micro)
            assert {name: loss.sum for name, loss in was.items()} == {name: loss.sum for name, loss in now.items()}
            before, after = (model.trunk(micro.batch) for model in (watch.model, loaded))  # type: ignore[union-attr]
            assert torch.equal(before.text, after.text)
            assert torch.equal(before.region, after.region)
