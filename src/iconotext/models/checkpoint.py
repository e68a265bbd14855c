"""A model on disk: a folder that says everything needed to use it, and holds no code and no pickle.

``config.json`` (the system as data, the model's sizes, the task or the tasks by name), ``model.safetensors``,
``tokenizer.json``, ``features.json`` (the fingerprint of the regions it was trained with, and its labels' names),
``run.json`` (resolved options, versions, data fingerprint).
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from iconotext.core.config import from_data, to_data
from iconotext.core.errors import DataError, MissingPiece
from iconotext.core.files import require_checkpoint, write_json
from iconotext.core.fingerprint import Fingerprint
from iconotext.core.machine import machine, versions
from iconotext.heads.answer import AnswerHeadKind
from iconotext.heads.pool import Concat, FirstToken, Product, Sum
from iconotext.heads.tasks import Downstream, TaskHead
from iconotext.models.multitask import MultiTaskModel
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import Layout, Recipe, System
from iconotext.models.task import TaskKind, TaskModel
from iconotext.nn import schedule, terms
from iconotext.objectives.alone import TextAlone
from iconotext.objectives.base import Negatives, Rewrites
from iconotext.objectives.caption import CaptionMLM
from iconotext.objectives.contrastive import Contrastive, CrossModalContrastive
from iconotext.objectives.iqa import IQA
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import OneAtATime, Phases, Together
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.nce import RegionNCE
from iconotext.objectives.nsp import NSP
from iconotext.objectives.region_matching import RegionMatching
from iconotext.objectives.wra import WRA

CLASSES: dict[str, type] = {
    found.__name__: found
    for found in (
        *(System, Layout, Recipe, AnswerHeadKind, FirstToken, Product, Sum, Concat, TaskHead, Downstream, TaskKind),
        *(schedule.Attend, schedule.FeedForward),
        *(terms.Word, terms.Position, terms.Segment, terms.Feature, terms.Location, terms.LinkedPosition),
        *(terms.TaskToken, RegionNCE),
        *(
            terms.Appearance,
            terms.WholeImage,
            terms.ImageToken,
            terms.AfterWords,
            TextAlone,
            CaptionMLM,
            RegionMatching,
        ),
        *(terms.TextEmbedding, terms.RegionEmbedding, terms.GridPosition, terms.Modality, terms.LinkedRegion),
        *(MLM, MRFR, MRC, ITM, IQA, NSP, WRA, Negatives, RegionMasks, Together, OneAtATime, Phases),
        *(Contrastive, CrossModalContrastive, Rewrites),
    )
}
"""Everything that a config may hold."""

Model = PretrainModel | TaskModel | MultiTaskModel
"""What a checkpoint may be of."""


@dataclass(frozen=True)
class Features:
    """The region features that a model reads: how they were made, and what their labels are called."""

    fingerprint: Fingerprint
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Saved:
    """A checkpoint in memory: the model, the path of its tokenizer, and what it was made from."""

    path: Path
    model: Model
    features: Features
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """The task that it was fine-tuned for, or the names of several; empty for a pre-trained model."""
        if isinstance(self.model, MultiTaskModel):
            return ", ".join(self.model.tasks)
        return self.model.task.name if isinstance(self.model, TaskModel) else ""

    def only(self, task: str) -> Saved:
        """The same with the model of one of its tasks.

        Raises:
            MissingPiece: it has no such task.
        """
        if isinstance(self.model, MultiTaskModel) and task in self.model.tasks:
            return dataclasses.replace(self, model=self.model.only(task))
        if isinstance(self.model, TaskModel) and self.model.task.name == task:
            return self
        raise MissingPiece(f"{self.path} has no task {task!r}; it has {self.task or 'none, since it is pre-trained'}.")

    def doing(self, fits: Callable[[TaskKind], bool]) -> TaskModel | None:
        """The model of the first of its tasks that ``fits``, None without any."""
        model = self.model
        if isinstance(model, MultiTaskModel):
            return next((model.only(name) for name, kind in model.tasks.items() if fits(kind)), None)
        return model if isinstance(model, TaskModel) and fits(model.task) else None

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's file.

        Raises:
            MissingPiece: the checkpoint was converted without one.
        """
        path = self.path / "tokenizer.json"
        if not path.is_file():
            raise MissingPiece(f"{self.path} has no tokenizer: convert it again with `--tokenizer FILE`.")
        return path


def save(path: Path, model: Model, tokenizer: str, features: Features, run: Mapping[str, Any]) -> None:
    """Writes the checkpoint folder; ``model.safetensors`` comes last, so its presence means "complete".

    ``tokenizer`` is the JSON text of the tokenizer, empty where none is known.
    """
    path.mkdir(parents=True, exist_ok=True)
    weights = path / "model.safetensors"
    weights.unlink(missing_ok=True)
    config = {"format": "iconotext-model/1", "system": to_data(model.system), "shape": model.shape}
    if isinstance(model, MultiTaskModel):
        config["tasks"] = to_data(model.tasks)
    else:
        config["task"] = to_data(model.task if isinstance(model, TaskModel) else None)
    write_json(path / "config.json", config)
    if tokenizer:
        aside = path / ".tokenizer.json"
        aside.write_text(tokenizer, encoding="utf-8")
        os.replace(aside, path / "tokenizer.json")
    write_json(path / "features.json", dataclasses.asdict(features))
    write_json(path / "run.json", {**run, "versions": versions(), "machine": machine()})
    aside = path / ".model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, aside)
    os.replace(aside, weights)


def load(path: Path, device: torch.device | str = "cpu", task: str = "") -> Saved:
    """The checkpoint in ``path``, in evaluation mode; with ``task``, of several tasks that one only.

    Raises:
        MissingPiece: when there is no checkpoint, with the command that makes one, or no such task in it.
        DataError: when it is damaged or its tensors are not those of its config.
    """
    require_checkpoint(path)
    config = _read(path / "config.json")
    with torch.device("meta"):  # no weights are drawn that would be thrown away: a large model is there in a second
        model = _empty(config)
    try:
        state = load_file(path / "model.safetensors")
    except SafetensorError as error:
        raise DataError(f"{path / 'model.safetensors'} is damaged ({error}): copy or make the model again.") from error
    fill(model, state, path)
    about = _read(path / "features.json")
    features = Features(
        Fingerprint(**about["fingerprint"]), tuple(about["class_names"]), tuple(about["attribute_names"])
    )
    saved = Saved(path, model.to(device).eval(), features, _read(path / "run.json"))
    return saved.only(task) if task else saved


def tasks_of(path: Path) -> tuple[str, ...]:
    """The names of the tasks of a model that does several; none for any other."""
    return tuple(_read(path / "config.json").get("tasks", ())) if (path / "config.json").is_file() else ()


def _empty(config: Mapping[str, Any]) -> Model:
    """The model that a config tells of."""
    system = from_data(config["system"], CLASSES)
    if "tasks" in config:
        return MultiTaskModel(system, from_data(config["tasks"], CLASSES), **config["shape"])
    task = from_data(config["task"], CLASSES)
    return PretrainModel(system, **config["shape"]) if task is None else TaskModel(system, task, **config["shape"])


def fill(model: nn.Module, state: Mapping[str, torch.Tensor], where: Path) -> None:
    """Makes the tensors of ``state`` the model's, and insists that there is one for each.

    Raises:
        DataError: with the tensors that are missing, too many or of another shape.
    """
    own = model.state_dict()
    wrong = {
        "missing": sorted(own.keys() - state.keys()),
        "unexpected": sorted(state.keys() - own.keys()),
        "of another shape": [name for name in own if name in state and own[name].shape != state[name].shape],
    }
    if any(wrong.values()):
        listed = ", ".join(f"{what} {names[:5]}" for what, names in wrong.items() if names)
        raise DataError(f"{where}: the weights are not those of its config: {listed}.")
    model.load_state_dict(state, assign=True)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): the checkpoint is incomplete or damaged.") from error
