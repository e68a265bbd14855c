"""The comparisons are sharp: with one detail of a system flipped, its recorded numbers are missed.

Each mutation changes one detail of the model that a recorded case gives, and the test of the case's own system has to say
which number differs then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import Case, find

from iconotext.heads.pool import FirstToken, Product, Sum
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.attention import Attention
from iconotext.nn.schedule import Attend
from iconotext.objectives.base import Objective
from iconotext.objectives.mix import replaced

Change = Callable[[PretrainModel], PretrainModel]


@dataclass(frozen=True)
class Mutated(Case):
    """A recorded case whose model has one detail changed."""

    change: Change

    def model(self) -> PretrainModel:
        return self.change(super().model())


@dataclass(frozen=True)
class Mutation:
    """What is flipped in the model of a system, in which kind of its cases it shows, and the test that has to see it."""

    system: str
    detail: str
    test: str
    change: Change
    kinds: tuple[str, ...] = ("encoder", "pretraining")


def page(**changes: Any) -> Change:
    """The same weights under another page."""

    def change(model: PretrainModel) -> PretrainModel:
        return rebuilt(model, changes)

    return change


def rebuilt(model: PretrainModel, changes: dict[str, Any]) -> PretrainModel:
    """The model of a changed page, with every weight that has a place in it."""
    other = PretrainModel(dataclasses.replace(model.system, **changes), **model.shape)
    missing, _ = other.load_state_dict(model.state_dict(), strict=False)
    assert all(name.startswith(("trunk.encoder.last", "trunk.encoder.sublayers")) for name in missing), missing
    return other.eval()


def untied(model: PretrainModel) -> PretrainModel:
    """Each stream with its own copy of what both shared."""
    schedule = tuple(
        dataclasses.replace(s, tied=False) if isinstance(s, Attend) and s.tied else s for s in model.system.schedule
    )
    other = rebuilt(model, {"schedule": schedule})
    for before, after in zip(model.trunk.encoder.sublayers, other.trunk.encoder.sublayers):
        if isinstance(before, Attention) and before.shared:
            for name in ("project", "output", "norm"):
                theirs, ours = getattr(before, name), getattr(after, name)
                for stream in ours:
                    ours[stream].load_state_dict(theirs["text"].state_dict())
    other.system = model.system  # gradients are looked up by the rules of the tied one
    return other


def added(model: PretrainModel) -> PretrainModel:
    """The pooled sides added instead of multiplied."""
    pool = model.system.pool
    assert isinstance(pool, Product)
    return rebuilt(model, {"pool": Sum(pool.width)})


def segments_exchanged(model: PretrainModel) -> PretrainModel:
    """Words in the segment of regions and the other way round."""
    table = model.trunk.text.tables["segment"]
    with torch.no_grad():
        table.weight.copy_(table.weight.flip(0))
    return model


def objective(name: str, **changes: Any) -> Change:
    """One objective with another setting."""

    def one(found: Objective) -> Objective:
        return dataclasses.replace(found, **changes) if found.name == name else found  # type: ignore[type-var]

    return lambda model: rebuilt(model, {"mix": replaced(model.system.mix, one)})


TRAINED = ("pretraining",)
MUTATIONS = (
    Mutation("uniter", "norms before the sublayers", "test_uniter", page(norm="pre")),
    Mutation("uniter", "words and regions in exchanged segments", "test_uniter", segments_exchanged),
    Mutation(
        "uniter",
        "divergence over regions, not classes",
        "test_uniter",
        objective("mrc_soft", per="region"),
        TRAINED,
    ),
    Mutation("bert_hf", "a pooler with relu", "test_bert", page(pool=FirstToken("relu"))),
    Mutation("vilbert_beta", "sides added, not multiplied", "test_vilbert", added),
    Mutation("vilbert_beta", "norms with eps 1e-5", "test_vilbert", page(eps=1e-5)),
    Mutation("lxmert", "cross-attention not tied", "test_lxmert", untied, TRAINED),
    Mutation("visualbert", "words and regions in exchanged segments", "test_visualbert", segments_exchanged),
    Mutation("vlp", "norms with eps 1e-12", "test_vlp", page(eps=1e-12)),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mutation" not in metafunc.fixturenames:
        return
    folder: Path = metafunc.config.getoption("--golden")
    chosen = [
        (mutation, Mutated(case.folder, mutation.change))
        for mutation in MUTATIONS
        for case in find(folder, mutation.system)
        if case.info["kind"] in mutation.kinds
    ]
    assert chosen, "no recorded case under --golden"
    names = [f"{m.system}-{case.folder.name}-{m.detail.replace(' ', '_')}" for m, case in chosen]
    metafunc.parametrize(("mutation", "case"), chosen, ids=names)


def test_a_flipped_detail_is_seen(mutation: Mutation, case: Mutated) -> None:
    module = import_module(mutation.test)
    check = getattr(module, f"test_{case.info['kind']}", None) or module.test_case
    with pytest.raises(AssertionError, match="differs by"):
        check(case)


def test_five_systems_are_tried_at_least() -> None:
    assert len({mutation.system for mutation in MUTATIONS}) >= 5
