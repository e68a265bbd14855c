"""A trunk with the heads of several tasks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Batch
from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.models.task import TaskKind, TaskModel, fitting, head_of, scores_of, with_segments
from iconotext.models.trunk import Trunk
from iconotext.nn.init import initialise
from iconotext.nn.terms import TaskToken


class MultiTaskModel(nn.Module):
    """A system fine-tuned for several tasks at once (12-in-1).

    ``tasks`` are named by whoever asks for them, since several data sets may have one kind of task. Tasks that ask for equal
    heads share one, as 12-in-1's three sets of referring expressions do; it goes by the first one's name. Segments that
    tasks add are shared too: each begins as the first task wants it that has so many.

    Raises:
        ConfigError: a name cannot be one of a tensor.
    """

    def __init__(
        self,
        system: System,
        tasks: Mapping[str, TaskKind],
        vocabulary: int,
        feature_dim: int,
        classes: int = 0,
        attributes: int = 0,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.system, self.tasks = system, dict(tasks)
        self.shape: dict[str, Any] = {
            "vocabulary": vocabulary,
            "feature_dim": feature_dim,
            "classes": classes,
            "attributes": attributes,
        }
        self.segments = longest([kind.segments for kind in tasks.values()])
        self.trunk = Trunk(with_segments(system, len(self.segments)), vocabulary, feature_dim, recompute, classes)
        self.heads = nn.ModuleDict()
        for name, kind in tasks.items():
            if not re.fullmatch(r"[\w+-]+", name) or hasattr(self.heads, name):
                raise ConfigError(
                    f"A task cannot be called {name!r}: use letters, digits, _, + and -, and no word of Python's."
                )
            if self.owner(kind) == name:
                self.heads[name] = head_of(kind, self.trunk)
        initialise(self.heads, system.init)

    def owner(self, kind: TaskKind) -> str | None:
        """The task by whose name the head for a kind of task goes; None where the model has no such head."""
        return next((name for name, own in self.tasks.items() if own == kind), None)

    def forward(self, name: str, batch: Batch) -> Float[Tensor, "E A"]:
        """Scores of one of the tasks, as ``TaskModel`` gives them."""
        kind = self.tasks[name]
        return scores_of(self.trunk, self.heads[self.owner(kind)], kind, batch)  # type: ignore[index]

    def begin_with(self, trunk: Mapping[str, Tensor]) -> None:
        """Takes over the trunk of another model of the system; new segments begin as copies of its own."""
        self.trunk.load_state_dict(fitting(trunk, self.trunk.state_dict(), self.segments))

    def only(self, name: str) -> TaskModel:
        """The model of one of the tasks, made of the same tensors; the kind of task has the token of this one."""
        kind = self.tasks[name]
        number = token_of(self.system, name)
        system = self.system if number is None else with_tokens(self.system, {kind.name: number})
        with torch.device("meta"):
            model = TaskModel(system, kind, **self.shape)
        trunk = fitting(self.trunk.state_dict(), model.trunk.state_dict(), ())
        model.trunk.load_state_dict(trunk, assign=True)
        model.head.load_state_dict(self.heads[self.owner(kind)].state_dict(), assign=True)  # type: ignore[index]
        return model.train(self.training)


def token_of(system: System, task: str) -> int | None:
    """The number of a task's token; None where the page has none for it."""
    terms = (term for term in system.text.terms if isinstance(term, TaskToken))
    return next((number for term in terms for name, number in term.tasks if name == task), None)


def with_tokens(system: System, numbers: Mapping[str, int]) -> System:
    """The page with these numbers of tasks' tokens, where it has such tokens at all."""
    terms = tuple(
        dataclasses.replace(term, tasks=tuple({**dict(term.tasks), **numbers}.items()))
        if isinstance(term, TaskToken)
        else term
        for term in system.text.terms
    )
    return dataclasses.replace(system, text=dataclasses.replace(system.text, terms=terms))


def longest(rows: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The first tuple, followed by what a later one has more."""
    found: tuple[int, ...] = ()
    for row in rows:
        found += row[len(found) :]
    return found
