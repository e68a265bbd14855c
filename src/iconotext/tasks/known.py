"""What a pre-trained model's heads know of a task already: answers to questions (LXMERT), tasks learned together (12-in-1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from iconotext.heads.answer import AnswerHead
from iconotext.heads.tasks import TaskScores
from iconotext.models.pretrain import PretrainModel
from iconotext.models.task import TaskKind, TaskModel
from iconotext.objectives.iqa import IQA
from iconotext.tasks.vqa import plain

SAME = {
    "statements": "two_images",
    "entailment": "entailment",
    "expressions": "region",
    "grounding": "region",
    "retrieval": "match",
    "relevance": "match",
    "choices": "match",
}
"""The head of 12-in-1 for each of our tasks; its labels are in the order of ours (vilbert/datasets of its code)."""
ASKED = ("vqa", "gqa")
"""Those that answer questions."""


@dataclass(frozen=True)
class Known:
    """A head, by its name; where it answers, what each of its scores stands for."""

    name: str
    head: nn.Module
    answers: tuple[str, ...] = ()

    def teach(self, head: nn.Module, kind: TaskKind) -> str:
        """Makes what is known the beginning of a task's head, and says what that was; "" where the two do not fit.

        Of a head that answers, the layers before the last and the rows of the answers of the same text, as LXMERT's code does.
        """
        if not self.answers:
            return self._whole(head)
        if not (isinstance(head, AnswerHead) and isinstance(self.head, AnswerHead)):
            return ""
        *own, last = head.layers
        *theirs, known = self.head.layers
        layers, before = nn.Sequential(*own), nn.Sequential(*theirs).state_dict()
        shapes = {name: tensor.shape for name, tensor in layers.state_dict().items()}
        rows = matching_rows(kind.answers, self.answers)
        fits = shapes == {name: tensor.shape for name, tensor in before.items()}
        if not (rows and fits and type(last) is type(known) is nn.Linear and last.in_features == known.in_features):
            return ""
        layers.load_state_dict(before)
        ours, others = (torch.tensor(side) for side in zip(*rows))
        with torch.no_grad():
            last.weight[ours] = known.weight[others].to(last.weight)
            last.bias[ours] = known.bias[others].to(last.bias)
        return f"{len(rows):,} of {len(kind.answers):,} answers begin as the head {self.name} knows them."

    def _whole(self, head: nn.Module) -> str:
        """All of a head of the same form."""
        learned = self.head.scores if isinstance(head, nn.Linear) and isinstance(self.head, TaskScores) else self.head
        state = learned.state_dict()
        if {name: t.shape for name, t in head.state_dict().items()} != {name: t.shape for name, t in state.items()}:
            return ""
        head.load_state_dict(state)
        return f"The head begins as the head {self.name}."


def known(model: PretrainModel | TaskModel, kind: TaskKind) -> Known | None:
    """The head of a model that knows a task best, None without any.

    A head that answers is one whose answers are known by their texts.
    """
    if isinstance(model, TaskModel):
        answers = kind.head == model.task.head == "answer"
        return Known(model.task.name, model.head, model.task.answers) if answers else None
    if kind.head == "answer":
        forms = [model.forms[name] for name in (kind.name, *ASKED) if name in model.forms]
        for form in forms:
            head = model.tasks[form.name].scores
            if form.answers and isinstance(head, AnswerHead):
                return Known(form.name, head, form.answers)
        asked = model.objectives.get(IQA.name)
        if isinstance(asked, IQA) and asked.names:
            return Known(asked.name, model.heads[asked.name], asked.names)
        return None
    name = SAME.get(kind.name, "")
    return Known(name, model.tasks[name]) if name in model.forms else None


def matching_rows(ours: tuple[str, ...], theirs: tuple[str, ...]) -> list[tuple[int, int]]:
    """(our number, their number) of each answer that is in both, whatever its letters' case and white space."""
    places = {plain(answer): number for number, answer in reversed(list(enumerate(theirs)))}
    return [(number, places[plain(answer)]) for number, answer in enumerate(ours) if plain(answer) in places]
