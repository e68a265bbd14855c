"""A trunk with the heads of several tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from samples import CLASSES, FEATURES, PAGES, VOCAB, batch_of, shake, tiny
from torch import nn

from iconotext.core.errors import ConfigError, MissingPiece
from iconotext.core.fingerprint import Fingerprint
from iconotext.models.checkpoint import Features, load, save, tasks_of
from iconotext.models.multitask import MultiTaskModel, token_of, with_tokens
from iconotext.models.system import System
from iconotext.models.task import TaskKind, TaskModel
from iconotext.systems.twelve_in_one import TWELVE_IN_ONE
from iconotext.systems.vilbert import VILBERT

EVERY = pytest.mark.parametrize("name", PAGES)
ASKED = TaskKind("vqa", "answer", ("yes", "no", "两"))
RANKED = TaskKind("retrieval", "score")
REFERRED = TaskKind("expressions", "region", form="softmax")
KINDS = {"vqa": ASKED, "refcoco": REFERRED, "find": RANKED, "refcoco+": REFERRED}
MADE = Features(Fingerprint("world", "ab", "fc6", "192", "rgb", "10 to 36", "float16", FEATURES, CLASSES, 2))


def made(page: System, kinds: dict[str, TaskKind] = KINDS) -> MultiTaskModel:
    torch.manual_seed(0)
    model = MultiTaskModel(page, kinds, VOCAB.size, FEATURES).eval()
    shake(model)
    return model


def touched(model: nn.Module) -> set[str]:
    """The parts whose parameters have gradients: the trunk, and heads by name."""
    names = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    return {"trunk" if name.startswith("trunk") else name.split(".")[1] for name in names}


@EVERY
def test_all_tasks_move_the_trunk_and_each_its_own_head(name: str) -> None:
    batch = batch_of(PAGES[name], [3, 2, 4], [2, 4, 3])
    for task, head in {"vqa": "vqa", "refcoco": "refcoco", "find": "find", "refcoco+": "refcoco"}.items():
        model = made(PAGES[name])
        found = model(task, batch)
        found[found.isfinite()].square().sum().backward()
        assert touched(model) == {"trunk", head}


@EVERY
def test_the_model_of_one_task_says_the_same(name: str) -> None:
    model, batch = made(PAGES[name]), batch_of(PAGES[name], [3, 2], [2, 4])
    for task, kind in KINDS.items():
        one = model.only(task)
        assert (type(one), one.task, one.system, one.training) == (TaskModel, kind, PAGES[name], False)
        assert torch.equal(one(batch), model(task, batch))
        with torch.no_grad():
            next(iter(model.trunk.parameters())).mul_(2.0)
        assert torch.equal(one(batch), model(task, batch)), "the tensors are the same"
    assert set(model.heads) == {"vqa", "refcoco", "find"}


@EVERY
def test_it_comes_back_from_disk_whole_or_one_task_of_it(name: str, tmp_path: Path) -> None:
    model, batch = made(PAGES[name]), batch_of(PAGES[name], [3, 2], [2, 4])
    save(tmp_path, model, "{}", MADE, {"seed": 3})
    found = load(tmp_path)
    assert isinstance(found.model, MultiTaskModel)
    assert (found.model.tasks, found.task, tasks_of(tmp_path)) == (KINDS, "vqa, refcoco, find, refcoco+", tuple(KINDS))
    assert not found.model.training
    for task, kind in KINDS.items():
        torch.testing.assert_close(found.model(task, batch), model(task, batch), rtol=0, atol=1e-6)
        one = load(tmp_path, task=task)
        assert isinstance(one.model, TaskModel)
        assert (one.task, one.run["seed"]) == (kind.name, 3)
        torch.testing.assert_close(one.model(batch), model(task, batch), rtol=0, atol=1e-6)
        save(tmp_path / task, one.model, "{}", MADE, {})
        torch.testing.assert_close(
            load(tmp_path / task, task=kind.name).model(batch), one.model(batch), rtol=0, atol=1e-6
        )
    with pytest.raises(MissingPiece, match="has no task 'gqa'; it has vqa, refcoco, find, refcoco"):
        load(tmp_path, task="gqa")
    with pytest.raises(MissingPiece, match="has no task 'vqa'; it has retrieval"):
        load(tmp_path / "find", task="vqa")
    doing = found.doing(lambda kind: kind.head == "region")
    assert doing is not None
    assert doing.task == REFERRED
    assert found.doing(lambda kind: kind.name == "gqa") is None


def test_segments_of_several_tasks() -> None:
    """The first that wants so many says how a new one begins; a model of one task has only those of its own."""
    page = PAGES["uniter"]
    kinds = {
        "a": ASKED,
        "b": TaskKind("choices", "score", segments=(0,)),
        "c": TaskKind("relevance", "score", segments=(1, 0)),
    }
    model, source = made(page, kinds), made(page)
    assert model.segments == (0, 0)
    model.begin_with(source.trunk.state_dict())
    key = "trunk.text.tables.segment.weight"
    table, own = model.state_dict()[key], source.state_dict()[key]
    assert torch.equal(table, torch.cat([own, own[[0, 0]]]))
    assert [len(model.only(name).state_dict()[key]) for name in kinds] == [2, 3, 4]
    again = made(page, kinds)
    again.begin_with(model.only("b").trunk.state_dict())
    assert torch.equal(again.state_dict()[key], torch.cat([table[:3], table[[0]]]))


@pytest.mark.parametrize("name", ["a.b", "", "type", "forward", "a b"])
def test_a_name_that_no_tensor_can_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be called"):
        made(PAGES["uniter"], {"vqa": ASKED, name: RANKED})


def test_a_task_alone_has_the_token_that_it_had_among_others() -> None:
    page = with_tokens(tiny(VILBERT, text=TWELVE_IN_ONE.text), {"refcoco+": 10})
    assert [token_of(page, task) for task in ("vqa", "expressions", "refcoco+", "find")] == [1, 9, 10, None]
    model = made(page)
    one = model.only("refcoco+")
    assert [token_of(one.system, task) for task in ("vqa", "expressions", "refcoco+")] == [1, 10, 10]
    assert one.state_dict().keys() == TaskModel(one.system, REFERRED, VOCAB.size, FEATURES).state_dict().keys()
    assert with_tokens(PAGES["uniter"], {"vqa": 3}) == PAGES["uniter"]
