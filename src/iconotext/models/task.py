"""A trunk with the head of one task."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Batch
from iconotext.core.errors import ConfigError
from iconotext.heads.answer import AnswerHead
from iconotext.heads.pool import pooled_width
from iconotext.heads.tasks import PairedAttention, PhraseAttention, TaskHead, TaskScores, by_row
from iconotext.models.system import System
from iconotext.models.trunk import Trunk, dims_of
from iconotext.nn.init import initialise
from iconotext.nn.terms import Segment
from iconotext.objectives.caption import CaptionMLM, writing

T = TypeVar("T")


@dataclass(frozen=True)
class TaskKind:
    """What a task asks of the model; an example is a group of rows, and gets a row of scores.

    "answer" scores ``answers`` with the page's answer head, "class" with a head of ``hidden`` width (a multiple of what is
    read, 0 for one linear map); "two" reads two rows side by side for that, "attended" lets them attend to each other.
    "score" gives one number a pair, a column each; "region" one a region of the image; "phrases" one a region for each phrase
    of the text. "words" scores the vocabulary at the words that the batch names (``Batch.scored``), with the head by which the
    page learned to write. ``form`` is the task's own affair.
    ``segments`` are the rows of the segment tables that new ones, behind the page's own, begin as.
    """

    name: str
    head: Literal["answer", "score", "class", "two", "attended", "region", "phrases", "words"]
    answers: tuple[str, ...] = ()
    hidden: float = 0.0
    form: str = ""
    segments: tuple[int, ...] = ()


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
        self.trunk = Trunk(with_segments(system, len(task.segments)), vocabulary, feature_dim, recompute, classes)
        self.head = head_of(task, self.trunk)
        initialise(self.head, system.init)

    def forward(self, batch: Batch) -> Float[Tensor, "E *A"]:
        """Scores of each group of rows: one column an answer, a pair or a region (-inf where a row has no more regions).

        The head "phrases" gives such a row for each phrase of the longest list, all -inf where a text has no more.
        """
        return scores_of(self.trunk, self.head, self.task, batch)

    def begin_with(self, trunk: Mapping[str, Tensor]) -> None:
        """Takes over the trunk of another model of the system; new segments begin as copies of its own."""
        self.trunk.load_state_dict(fitting(trunk, self.trunk.state_dict(), self.task.segments))


def scores_of(trunk: Trunk, head: nn.Module, task: TaskKind, batch: Batch) -> Float[Tensor, "E *A"]:
    """What a task's head says of each group of rows; see ``TaskModel``."""
    encoded, kind = trunk(batch), task.head
    if kind == "region":
        return by_row(head(encoded.region)[:, 0], ~batch.region.whole, batch.region.offsets)
    if kind == "words":
        return writer_of(trunk.system).logits(head, encoded.text.index_select(0, batch.scored), batch.pattern)
    if kind == "phrases":
        return head(encoded, batch.phrases, ~batch.region.whole)  # type: ignore[no-any-return]
    if kind == "attended":
        return head(encoded)  # type: ignore[no-any-return]
    pooled = partial(trunk.pool, encoded)
    if kind == "score":
        pair = pooled().float()
        with torch.autocast(pair.device.type, enabled=False):  # bf16 would make equals of neighbours in an order
            return head(pair).view(-1, batch.group)  # type: ignore[no-any-return]
    return head(trunk.system.answer.read(encoded, pooled) if kind == "answer" else pooled())  # type: ignore[no-any-return]


def fitting(trunk: Mapping[str, Tensor], own: Mapping[str, Tensor], copies: Sequence[int]) -> dict[str, Tensor]:
    """The tensors of a trunk with as many segments as ``own``; missing ones begin as the rows that end ``copies``."""

    def table(rows: int, known: Tensor) -> Tensor:
        missing = rows - len(known)
        return torch.cat([known, known[list(copies[-missing:])]]) if missing > 0 else known[:rows]

    return {
        name: table(len(own[name]), tensor) if "segment" in name.split(".") else tensor
        for name, tensor in trunk.items()
    }


def head_of(task: TaskKind, trunk: Trunk) -> nn.Module:
    """The head that a task asks for."""
    system = trunk.system
    if task.head == "words":
        return writer_of(system).head(trunk.head_context(classes=0, attributes=0))
    pooled, outputs = pooled_width(system.pool, dims_of(system)), len(task.answers) or 1
    if task.head == "answer":
        return AnswerHead(system.answer, system.answer.width(system.width, pooled), outputs, system.eps)
    if task.head == "score" and not task.hidden:
        return nn.Linear(pooled, 1)
    if task.head == "phrases":
        return PhraseAttention(system.width, system.region_width, system.width // system.heads)
    if task.head == "attended":
        if system.width != system.region_width:
            raise ConfigError(
                f"{system.title}: words and regions of two widths cannot be read side by side; take a pair."
            )
        return PairedAttention(system.width, system.heads, outputs, system.dropout)
    reads: dict[str, Literal["pooled", "two pooled", "region"]] = {"two": "two pooled", "region": "region"}
    form = TaskHead(task.name, reads.get(task.head, "pooled"), task.hidden)
    return TaskScores(
        form, system.region_width if task.head == "region" else pooled, outputs, system.dropout, system.eps
    )


def writer_of(system: System) -> CaptionMLM:
    """What taught a page to write.

    Raises:
        ConfigError: nothing did.
    """
    found = writing(system.mix)
    if found is None:
        raise ConfigError(
            f"{system.title} did not learn to write: none of its objectives masks words from left to right."
        )
    return found


def with_segments(system: System, more: int) -> System:
    """The page with ``more`` rows in its segment tables."""
    text = dataclasses.replace(system.text, terms=tuple(_longer(term, more) for term in system.text.terms))
    region = dataclasses.replace(system.region, terms=tuple(_longer(term, more) for term in system.region.terms))
    return dataclasses.replace(system, text=text, region=region)


def segments_of(system: System) -> int:
    """How many segments the regions of a page may be in; 0 where they have none."""
    own = next((term for term in system.region.terms if isinstance(term, Segment)), None)
    if own is None:
        return 0
    return next(term.size for term in system.text.terms if isinstance(term, Segment)) if own.shared else own.size


def second_segment(system: System) -> int:
    """The segment of the second part of a text: 1, or a new one, 2, where the regions are in segment 1 of the words' table."""
    shared = any(isinstance(term, Segment) and term.shared for term in system.region.terms)
    return 2 if shared and system.layout.region_segment == 1 else 1


def _longer(term: T, more: int) -> T:
    return dataclasses.replace(term, size=term.size + more) if isinstance(term, Segment) else term
