"""A trunk with the head of one task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Batch
from iconotext.heads.answer import AnswerHead
from iconotext.heads.pool import pooled_width
from iconotext.models.system import System
from iconotext.models.trunk import Trunk, dims_of
from iconotext.nn.init import initialise


@dataclass(frozen=True)
class TaskKind:
    """What a task asks of the model: "answer" scores ``answers``; "score" gives one number a pair."""

    name: str
    head: Literal["answer", "score"]
    answers: tuple[str, ...] = ()


class TaskModel(nn.Module):
    """A system fine-tuned for a task."""

    def __init__(
        self,
        system: System,
        task: TaskKind,
        vocabulary: int,
        feature_dim: int,
        classes: int = 0,
        attributes: int = 0,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.system, self.task = system, task
        self.shape = {
            "vocabulary": vocabulary,
            "feature_dim": feature_dim,
            "classes": classes,
            "attributes": attributes,
        }
        self.trunk = Trunk(system, vocabulary, feature_dim, recompute, classes)
        width = pooled_width(system.pool, dims_of(system))
        if task.head == "answer":
            width = system.answer.width(system.width, width)
            self.head: nn.Module = AnswerHead(system.answer, width, len(task.answers), system.eps)
        else:
            self.head = nn.Linear(width, 1)
        initialise(self.head, system.init)

    def forward(self, batch: Batch) -> Float[Tensor, "B A"]:
        """Scores: one column an answer, or a single one."""
        encoded = self.trunk(batch)
        pooled = partial(self.trunk.pool, encoded)
        read = self.system.answer.read(encoded, pooled) if self.task.head == "answer" else pooled()
        return self.head(read)  # type: ignore[no-any-return]
