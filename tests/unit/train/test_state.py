import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from iconotext.core.errors import ConfigError, DataError
from iconotext.train import state
from iconotext.train.config import TrainConfig
from iconotext.train.dist import world
from iconotext.train.optim import adamw
from iconotext.train.state import Progress

CONFIG = TrainConfig(steps=9)


class Tied(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.words, self.out, self.frozen = nn.Embedding(7, width), nn.Linear(width, 7), nn.Linear(2, 2)
        self.out.weight = self.words.weight
        self.frozen.requires_grad_(False)
        self.norm = nn.BatchNorm1d(7)
        self.register_buffer("scratch", torch.zeros(3), persistent=False)


def trained(seed: int = 0) -> tuple[Tied, torch.optim.AdamW]:
    torch.manual_seed(seed)
    model = Tied()
    optimiser = adamw(model, CONFIG)
    for _ in range(3):
        model.norm(model.out(model.words(torch.randint(0, 7, (5,))))).square().mean().backward()
        optimiser.step()
    return model, optimiser


def save(run: Path, step: int, seed: int = 0, keep: int = 2) -> tuple[Tied, torch.optim.AdamW]:
    model, optimiser = trained(seed)
    progress = Progress(step=step, skipped=2, sums={"mlm": [0.1 + 0.2, 3.0]}, precision="bf16")
    state.save(run, progress, model, optimiser, CONFIG.shaping(), keep, world())
    return model, optimiser


def test_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    model, optimiser = save(tmp_path, 7)
    other, its = trained(seed=1)
    progress, settings = state.load(state.folder(tmp_path, 7), other, its)
    assert progress == Progress(step=7, skipped=2, sums={"mlm": [0.1 + 0.2, 3.0]}, precision="bf16")
    assert settings == CONFIG.shaping()
    torch.testing.assert_close(dict(other.state_dict()), dict(model.state_dict()), atol=0, rtol=0)
    assert other.out.weight is other.words.weight
    torch.testing.assert_close(its.state_dict()["state"], optimiser.state_dict()["state"], atol=0, rtol=0)


def test_files_are_safetensors_and_json(tmp_path: Path) -> None:
    save(tmp_path, 7)
    assert {p.suffix for p in state.folder(tmp_path, 7).iterdir()} == {".safetensors", ".json"}


def test_half_a_state_is_never_taken(tmp_path: Path) -> None:
    save(tmp_path, 7)
    states = tmp_path / "state"
    shutil.copytree(states / "step-0000007", states / ".step-0000009.part")
    shutil.copytree(states / "step-0000007", states / ".step-0000005.old")
    shutil.copytree(states / "step-0000007", states / "step-0000008")
    (states / "step-0000008/meta.json").unlink()
    assert state.steps(tmp_path) == [7]
    save(tmp_path, 9)
    assert state.steps(tmp_path) == [7, 9]
    assert not list(states.glob(".*"))


def test_keeps_the_newest(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save(tmp_path, step, keep=2)
    assert state.steps(tmp_path) == [3, 4]
    assert sorted(p.name for p in (tmp_path / "state").iterdir()) == ["step-0000003", "step-0000004"]


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path, 7)
    wider = Tied(width=6)
    with pytest.raises(ConfigError, match=r"differ: 1, such as\n  words.weight: here \[7, 6\], in the state \[7, 4\]"):
        state.load(state.folder(tmp_path, 7), wider, adamw(wider, CONFIG))


def test_other_trained_parameters_are_refused(tmp_path: Path) -> None:
    save(tmp_path, 7)
    model = Tied()
    model.out.requires_grad_(False)
    with pytest.raises(ConfigError, match=r"the state trains words\.weight"):
        state.load(state.folder(tmp_path, 7), model, adamw(model, CONFIG))


def test_what_is_no_state_is_named(tmp_path: Path) -> None:
    model, optimiser = trained()
    with pytest.raises(DataError, match="no training state can be read here"):
        state.load(tmp_path, model, optimiser)
    (tmp_path / "meta.json").write_text(json.dumps({"format": "iconotext-state/0"}))
    with pytest.raises(DataError, match="format 'iconotext-state/0'"):
        state.load(tmp_path, model, optimiser)


def test_moments_of_the_uncorrected_adam_come_back(tmp_path: Path, toy: ModuleType) -> None:
    config = TrainConfig(steps=9, bias_correction=False)
    model = toy.Model()
    optimiser = adamw(model, config)
    state.save(tmp_path, Progress(step=1), model, optimiser, config.shaping(), 1, world())
    other = adamw(model, TrainConfig(steps=9))
    state.load(state.folder(tmp_path, 1), model, other)
    assert all(float(entry["step"]) == 1e8 for entry in other.state.values())
