"""Heads that know a task before it is fine-tuned for: by answers of the same text, or by a task of the same kind."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from samples import CLASSES, FEATURES, VOCAB, tiny

from iconotext.heads.answer import AnswerHeadKind
from iconotext.heads.tasks import TaskHead
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.models.task import TaskKind, TaskModel
from iconotext.objectives.iqa import IQA
from iconotext.objectives.mix import replaced
from iconotext.systems import SYSTEMS
from iconotext.tasks.entailment import Entailment
from iconotext.tasks.expressions import Expressions
from iconotext.tasks.known import Known, known, matching_rows
from iconotext.tasks.retrieval import Retrieval
from iconotext.tasks.statements import Statements
from iconotext.tasks.vqa import VQA

LEARNED = ("Yes", "no", "two  dogs", "red")


def asked(names: tuple[str, ...] = LEARNED) -> PretrainModel:
    """An LXMERT whose answers are known."""
    page = SYSTEMS["lxmert"].at("tiny")
    mix = replaced(page.mix, lambda o: dataclasses.replace(o, count=4, names=names) if isinstance(o, IQA) else o)
    torch.manual_seed(0)
    return PretrainModel(dataclasses.replace(page, mix=mix), VOCAB.size, FEATURES, CLASSES, 3)


def fresh(page: System, kind: TaskKind) -> TaskModel:
    torch.manual_seed(1)
    return TaskModel(page, kind, VOCAB.size, FEATURES, CLASSES, 3)


def test_rows_of_the_same_text() -> None:
    assert matching_rows(("red", "blue", "Two dogs"), ("two dogs", "RED", "red")) == [(0, 1), (2, 0)]


def test_answers_of_the_same_text_begin_as_they_are_known() -> None:
    model, kind = asked(), VQA(("no", "blue", "yes", "two dogs", "green")).kind
    task = fresh(model.system, kind)
    before, old = task.head.layers[-1].weight.clone(), model.heads["iqa"].layers
    found = known(model, kind)
    assert found is not None
    assert found.teach(task.head, kind) == "3 of 5 answers begin as the head iqa knows them."
    last = task.head.layers[-1]
    for row, theirs in enumerate([1, None, 0, 2, None]):
        wanted = before[row] if theirs is None else old[-1].weight[theirs]
        assert torch.equal(last.weight[row], wanted)
    for name, tensor in old[0].state_dict().items():
        assert torch.equal(task.head.layers[0].state_dict()[name], tensor)


def test_nothing_is_taken_that_has_no_names_or_does_not_fit() -> None:
    kind = VQA(("yes",)).kind
    assert known(asked(()), kind) is None
    other = dataclasses.replace(asked().system, answer=AnswerHeadKind("transform", hidden=1.0))
    found = known(asked(), kind)
    assert found is not None
    for page in (other, dataclasses.replace(other, answer=AnswerHeadKind("plain"))):
        head = fresh(page, kind).head
        before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
        assert found.teach(head, kind) == ""
        assert all(torch.equal(tensor, before[name]) for name, tensor in head.state_dict().items())
    unknown = VQA(("purple",)).kind
    assert found.teach(fresh(asked().system, unknown).head, unknown) == ""
    assert known(asked(), Entailment().kind) is None


def test_questions_that_were_fine_tuned_for_are_known_by_other_questions() -> None:
    page = tiny(SYSTEMS["uniter"])
    before = fresh(page, VQA(("yes", "no")).kind)
    kind = TaskKind("gqa", "answer", ("no", "left"))
    found = known(before, kind)
    assert found is not None
    assert found.teach(fresh(page, kind).head, kind).startswith("1 of 2 answers")
    assert known(before, Entailment().kind) is None


def twelve() -> PretrainModel:
    """A 12-in-1 with the heads of all its tasks; the answers of its questions are known."""
    page = tiny(SYSTEMS["12in1"])
    tasks = tuple(dataclasses.replace(form, answers=("a", "b") if form.name == "gqa" else ()) for form in page.tasks)
    sizes = {"vqa": 4, "gqa": 2, "two_images": 2, "entailment": 3, "match": 1, "region": 1, "word": 1}
    torch.manual_seed(0)
    return PretrainModel(dataclasses.replace(page, tasks=tasks), VOCAB.size, FEATURES, CLASSES, 0, tasks=sizes)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Statements().kind, "two_images"),
        (Entailment().kind, "entailment"),
        (Expressions().kind, "region"),
        (Retrieval().kind, "match"),
    ],
)
def test_a_task_that_was_learned_with_others_goes_on_with_its_head(kind: TaskKind, name: str) -> None:
    model = twelve()
    task, found = fresh(model.system, kind), known(model, kind)
    assert found is not None
    assert found.teach(task.head, kind) == f"The head begins as the head {name}."
    theirs = list(model.tasks[name].state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(task.head.state_dict().values(), theirs, strict=True))


def test_the_questions_of_the_same_name_come_first_then_those_with_names() -> None:
    model = twelve()
    for name in ("vqa", "gqa"):
        found = known(model, TaskKind(name, "answer", ("a",)))
        assert found is not None
        assert found.name == "gqa"


def test_a_head_of_another_form_stays_new() -> None:
    model = twelve()
    kind = dataclasses.replace(Entailment().kind, hidden=1.0)
    found = known(model, kind)
    assert found == Known("entailment", model.tasks["entailment"])
    assert found.teach(fresh(model.system, kind).head, kind) == ""
    assert isinstance(model.forms["entailment"], TaskHead)
