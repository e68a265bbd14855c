"""The tasks there are: a line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from iconotext.models.task import TaskKind
from iconotext.tasks.base import Task, TaskOptions
from iconotext.tasks.captions import CaptionOptions, Captions
from iconotext.tasks.choices import ChoiceOptions, Choices
from iconotext.tasks.entailment import Entailment, EntailmentOptions
from iconotext.tasks.expressions import ExpressionOptions, Expressions
from iconotext.tasks.foils import FoilOptions, Foils
from iconotext.tasks.gqa import GQA, GqaOptions
from iconotext.tasks.grounding import Grounding, GroundingOptions
from iconotext.tasks.relevance import Relevance, RelevanceOptions
from iconotext.tasks.retrieval import Retrieval, RetrievalOptions
from iconotext.tasks.statements import StatementOptions, Statements
from iconotext.tasks.vqa import VQA, VqaOptions


@dataclass(frozen=True)
class Entry:
    """What a user may say of a task, and the task of a model that was fine-tuned for it."""

    options: type[TaskOptions]
    of: Callable[[TaskKind], Task]


TASKS: Mapping[str, Entry] = MappingProxyType(
    {
        "vqa": Entry(VqaOptions, lambda kind: VQA(kind.answers)),
        "gqa": Entry(GqaOptions, lambda kind: GQA(kind.answers)),
        "retrieval": Entry(RetrievalOptions, lambda kind: Retrieval()),
        "expressions": Entry(ExpressionOptions, lambda kind: Expressions(kind.form, kind.hidden)),  # type: ignore[arg-type]
        "grounding": Entry(GroundingOptions, lambda kind: Grounding(kind.form, kind.hidden)),  # type: ignore[arg-type]
        "choices": Entry(ChoiceOptions, lambda kind: Choices(kind.form, kind.hidden, kind.segments)),  # type: ignore[arg-type]
        "statements": Entry(
            StatementOptions,
            lambda kind: Statements(kind.form, kind.hidden, kind.segments),  # type: ignore[arg-type]
        ),
        "entailment": Entry(EntailmentOptions, lambda kind: Entailment(kind.hidden)),
        "foils": Entry(FoilOptions, lambda kind: Foils()),
        "captions": Entry(CaptionOptions, lambda kind: Captions(only=kind.form)),
        "relevance": Entry(RelevanceOptions, lambda kind: Relevance(kind.form, kind.segments)),  # type: ignore[arg-type]
    }
)
"""By the name that ``iconotext finetune`` and a checkpoint have for it."""


def task_of(kind: TaskKind) -> Task:
    """The task of a model.

    Raises:
        KeyError: this version has no such task.
    """
    return TASKS[kind.name].of(kind)
