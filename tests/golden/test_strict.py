"""Every release refuses a checkpoint in which one tensor is missing, renamed, transposed or of another shape, by its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import torch
from cases import Case
from recorded import recorded
from torch import Tensor

from iconotext.convert import RELEASES, Carried, Release, convert, recognise
from iconotext.convert.carry import carry, modern_names, part_of
from iconotext.convert.rules import Rule
from iconotext.core.errors import DataError, IconotextError
from iconotext.models.pretrain import PretrainModel


@dataclass(frozen=True)
class Strict:
    """A recorded checkpoint with its release, and our model on the meta device, which is enough to check names and shapes."""

    case: Case

    @property
    def release(self) -> Release:
        return RELEASES[self.case.info["system"]]

    @cached_property
    def state(self) -> dict[str, Tensor]:
        return modern_names(recorded(self.case.folder, "weights"))

    @cached_property
    def model(self) -> PretrainModel:
        with torch.device("meta"):
            return convert(self.release, self.case.info["config"], self.state)[0]

    @cached_property
    def rules(self) -> list[Rule]:
        own = self.model.state_dict()
        return [rule for rule in self.release.rules(self.model.system) if rule.target in own]

    def carry(self, state: dict[str, Tensor]) -> Carried:
        release = self.release
        return carry(self.model, state, self.rules, release.dropped, release.ties, release.optional)

    def convert(self, state: dict[str, Tensor]) -> None:
        with torch.device("meta"):
            convert(self.release, self.case.info["config"], state)

    @cached_property
    def spare(self) -> set[str]:
        """Names that a file need not have: left out, repeated elsewhere, or all there is of a part that may be missing."""
        places = Counter((rule.target, rule.part) for rule in self.rules)
        parts = Counter(part_of(rule.target, self.release.optional) for rule in self.rules)
        used = {rule.source for rule in self.rules}
        repeated = {original for name, original in self.release.ties.items() if name in self.state}
        return {
            *(self.state.keys() - used),
            *repeated,
            *(r.source for r in self.rules if places[r.target, r.part] > 1),
            *(r.source for r in self.rules if (p := part_of(r.target, self.release.optional)) and parts[p] == 1),
        }


def smallest(folder: Path) -> Iterator[Case]:
    """One case of each release."""
    found: dict[str, list[Case]] = {}
    for path in sorted(folder.rglob("weights.safetensors*")):
        case = Case(path.parent)
        found.setdefault(case.info["system"], []).append(case)
    yield from (min(cases, key=lambda c: c.info["kind"]) for name, cases in found.items() if name in RELEASES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = list(smallest(metafunc.config.getoption("--golden")))
    assert cases, "no recorded checkpoint under --golden"
    metafunc.parametrize("strict", [Strict(case) for case in cases], ids=[case.info["system"] for case in cases])


def refused(strict: Strict, state: dict[str, Tensor], key: str, whole: bool) -> None:
    with pytest.raises(DataError, match=rf"(?m)^  {re.escape(key)} "):
        strict.convert(state) if whole else strict.carry(state)


def some(strict: Strict, last: bool = True) -> list[str]:
    """Of names that differ in their numbers alone the first, and the last as well."""
    kinds: dict[str, list[str]] = {}
    for key in strict.state:
        kinds.setdefault(re.sub(r"\d+", "#", key), []).append(key)
    return sorted({key for keys in kinds.values() for key in (keys[0], keys[-1] if last else keys[0])})


def size_keys(strict: Strict) -> set[str]:
    """The tensors whose shapes state the model's sizes: a change of them has to be found by the whole way."""
    seen: set[str] = set()

    class Watched(dict[str, Tensor]):
        def __getitem__(self, key: str) -> Tensor:
            seen.add(key)
            return super().__getitem__(key)

    strict.release.sizes(Watched(strict.state))
    return seen


def test_a_missing_or_renamed_tensor(strict: Strict) -> None:
    sizes = size_keys(strict)
    for key in some(strict):
        rest = {name: tensor for name, tensor in strict.state.items() if name != key}
        whole = key in sizes
        if key in strict.spare:
            strict.carry(rest)
        else:
            refused(strict, rest, key, whole)
            refused(strict, rest | {f"{key}x": strict.state[key]}, f"{key}x" if not whole else key, whole)


def test_a_stranger(strict: Strict) -> None:
    refused(strict, strict.state | {"stranger.weight": torch.ones(1)}, "stranger.weight", whole=True)


def test_a_transposed_tensor_or_one_of_another_shape(strict: Strict) -> None:
    sizes = size_keys(strict)
    used = {rule.source for rule in strict.rules}
    for key in some(strict, last=False):
        if key not in used:
            continue
        tensor, whole = strict.state[key], key in sizes
        if tensor.ndim == 2 and tensor.shape[0] != tensor.shape[1]:
            refused(strict, strict.state | {key: tensor.t()}, key, whole)
        else:
            refused(strict, strict.state | {key: torch.zeros((*tensor.shape, 2))}, key, whole)
        if whole:
            refused(strict, strict.state | {key: torch.zeros(())}, key, whole)


def test_wrappers_and_repeated_tensors_make_no_difference(strict: Strict) -> None:
    strict.convert({f"module.{name}": tensor for name, tensor in strict.state.items()})
    strict.carry({name: tensor for name, tensor in strict.state.items() if name not in strict.release.ties})


def test_a_head_may_be_missing_as_a_whole(strict: Strict) -> None:
    heads = {part for rule in strict.rules if (part := part_of(rule.target))}
    before = set(strict.carry(strict.state).unfilled)
    for head in heads:
        gone = {rule.source for rule in strict.rules if part_of(rule.target) == head}
        gone -= {rule.source for rule in strict.rules if part_of(rule.target) != head}
        gone |= {name for name, original in strict.release.ties.items() if original in gone}
        rest = {name: tensor for name, tensor in strict.state.items() if name not in gone}
        report = strict.carry(rest)
        assert all(name.startswith(head) for name in set(report.unfilled) - before)
        strict.convert(rest)


def test_a_config_that_states_too_little(strict: Strict) -> None:
    for key in ("hidden_size", "num_attention_heads"):
        if key in strict.case.info["config"]:
            config = {name: value for name, value in strict.case.info["config"].items() if name != key}
            with pytest.raises(IconotextError, match=key):
                convert(strict.release, config, strict.state)


def test_the_release_is_recognised(strict: Strict) -> None:
    """By names, shapes and config; releases whose files cannot be told apart are asked for by name."""
    try:
        found, said = recognise(RELEASES.values(), strict.state, strict.case.info["config"]), ""
    except IconotextError as error:
        found, said = None, str(error)
    assert found is strict.release or ("say which" in said and strict.release.name in said)
