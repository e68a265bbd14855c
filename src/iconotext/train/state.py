"""The state of a run on disk, from which it goes on exactly where it was.

    RUN/state/step-0001200/   *.safetensors (torch.distributed.checkpoint; every process writes its share), meta.json

It is written under a hidden name, ``meta.json`` last, and then renamed, so a folder of this name with that file is
whole whenever the run was killed. The tensors are safetensors files: nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load as load_tensors
from torch.distributed.checkpoint.state_dict_saver import save as save_tensors

from iconotext.core.errors import ConfigError, DataError
from iconotext.train.config import Precision
from iconotext.train.dist import World
from iconotext.train.optim import trainable

FORMAT = "iconotext-state/1"
SLOTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Progress:
    """How far a run is, and what it must remember beside its tensors.

    ``step`` updates are done (left-out ones counted in), ``sums`` are the losses since the last logged step,
    ``precision`` what the run computes in, since another choice after a restart would give other numbers, ``memory`` what
    else decides how it goes on.
    """

    step: int = 0
    skipped: int = 0
    skipped_in_row: int = 0
    seconds: float = 0.0
    precision: Precision = "auto"
    sums: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)


def folder(run: Path, step: int) -> Path:
    """Where the state after ``step`` updates is."""
    return run / "state" / f"step-{step:07d}"


def steps(run: Path) -> list[int]:
    """The steps of which RUN holds a whole state, oldest first."""
    found = [p.parent.name for p in (run / "state").glob("step-*/meta.json")]
    return sorted(int(name[5:]) for name in found if re.fullmatch(r"step-\d{7,}", name))


def save(
    run: Path,
    progress: Progress,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    settings: Mapping[str, object],
    keep: int,
    world: World,
) -> Path:
    """Write the state after ``progress.step`` updates and drop all but the newest ``keep``; every process calls this."""
    target = folder(run, progress.step)
    if target.exists():
        return target
    part = target.with_name(f".{target.name}.part")
    if world.main:
        _sweep(run)
        part.mkdir(parents=True)
    world.barrier()
    tensors = {**_model_tensors(model), **_optimiser_tensors(model, optimiser)}
    _write(part, tensors, world)
    world.barrier()
    if world.main:
        meta = {
            "format": FORMAT,
            "torch": torch.__version__,
            "processes": world.size,
            "progress": asdict(progress),
            "settings": dict(settings),
            "tensors": {name: [str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()},
        }
        with (part / "meta.json").open("w") as file:
            json.dump(meta, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
        for old in steps(run)[:-keep]:
            folder(run, old).rename(folder(run, old).with_name(f".{folder(run, old).name}.old"))
        _sweep(run)
    world.barrier()
    return target


def load(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[Progress, dict[str, object]]:
    """Put the state at ``path`` into the model and the optimiser; returns how far it was and the run's settings then.

    Raises:
        DataError: the state is not one, or of another version.
        ConfigError: it belongs to another model; the message names what differs.
    """
    try:
        meta = json.loads((path / "meta.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: no training state can be read here ({error}); remove it to use an older one"
        ) from error
    if meta.get("format") != FORMAT:
        raise DataError(f"{path}: format {meta.get('format')!r}, this version reads {FORMAT!r}")
    tensors = _model_tensors(model)
    stored = {name: shape for name, (_, shape) in meta["tensors"].items() if name.startswith("model/")}
    _require_same(path, {n: list(t.shape) for n, t in tensors.items()}, stored)
    parameters = {item.name: item.parameter for item in trainable(model)}
    state: dict[nn.Parameter, dict[str, Tensor]] = {}
    for key, (dtype, shape) in meta["tensors"].items():
        kind, _, rest = key.partition("/")
        if kind == "optimiser":
            slot, _, name = rest.partition("/")
            if name not in parameters:
                raise ConfigError(f"{path}: the state trains {name}, this model does not; use the model of that run")
            like = parameters[name]
            # A moment lies in memory as its parameter does, channels last for one: the fused update walks them side by side.
            same = shape == list(like.shape)
            blank = torch.empty_like(like) if same else torch.empty(shape, device=like.device)
            tensors[key] = blank.to(getattr(torch, dtype))
            state.setdefault(parameters[name], {})[slot] = tensors[key]
    with _alone_is_fine():
        load_tensors(tensors, storage_reader=HuggingFaceStorageReader(str(path)))
    _give(optimiser, state)
    return Progress(**meta["progress"]), meta["settings"]


def _model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers; a parameter that is shared is held once."""
    persistent = model.state_dict(keep_vars=True).keys()
    parameters = {f"model/{name}": p.detach() for name, p in model.named_parameters()}
    return parameters | {f"model/{name}": b for name, b in model.named_buffers() if name in persistent}


def _optimiser_tensors(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    found = {}
    for item in trainable(model):
        state = optimiser.state.get(item.parameter, {})
        found.update({f"optimiser/{slot}/{item.name}": state[slot] for slot in SLOTS if slot in state})
    return found


def _give(optimiser: torch.optim.Optimizer, state: Mapping[nn.Parameter, Mapping[str, Tensor]]) -> None:
    """Hand the moments to the optimiser by its own door, which puts each where it wants it."""
    order = [p for group in optimiser.param_groups for p in group["params"]]
    packed: dict[str, Any] = optimiser.state_dict()
    packed["state"] = {i: dict(state[p]) for i, p in enumerate(order) if p in state}
    optimiser.load_state_dict(packed)


def _write(path: Path, tensors: Mapping[str, Tensor], world: World) -> None:
    """One file for each kind of tensor, since a file is put together in memory before it is written."""
    files = {kind: i for i, kind in enumerate(("model", *SLOTS), start=1)}
    index = {k: files["model" if k.startswith("model/") else k.split("/")[1]] for k in tensors}
    writer = HuggingFaceStorageWriter(str(path), fqn_to_index_mapping=index, save_distributed=True)
    with _alone_is_fine():
        save_tensors({k: t.contiguous() for k, t in tensors.items()}, storage_writer=writer)


def _require_same(path: Path, mine: Mapping[str, list[int]], theirs: Mapping[str, list[int]]) -> None:
    differing = [n for n in sorted(mine.keys() | theirs.keys()) if mine.get(n) != theirs.get(n)]
    if differing:
        lines = [
            f"  {n.removeprefix('model/')}: here {mine.get(n)}, in the state {theirs.get(n)}" for n in differing[:5]
        ]
        raise ConfigError(
            f"{path}: this state belongs to another model; tensors that differ: {len(differing)}, such as\n"
            + "\n".join([*lines, "Use the model of that run, or another run folder."])
        )


def _sweep(run: Path) -> None:
    """Remove what an interrupted save or removal left: folders with hidden names."""
    for left in (run / "state").glob(".step-*"):
        shutil.rmtree(left)


@contextmanager
def _alone_is_fine() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is")
        yield
