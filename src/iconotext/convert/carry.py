"""Carrying tensors over by a release's rules, with an account of every one of them; nothing is lost in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from iconotext.convert.rules import Rule
from iconotext.core.errors import DataError

LISTED = 12
"""Problems that an error lists before it counts the rest."""


@dataclass(frozen=True)
class Carried:
    """What a conversion did: tensors taken, tensors left with the reason, and our tensors that nothing filled."""

    taken: tuple[str, ...]
    left: Mapping[str, str]
    unfilled: tuple[str, ...]


def part_of(target: str, optional: Sequence[str] = ()) -> str | None:
    """The part of ours that holds ``target`` and that a checkpoint may lack as a whole: a head, or one of ``optional``."""
    if target.startswith("heads."):
        return ".".join(target.split(".")[:2])
    return next((prefix for prefix in optional if target.startswith(prefix)), None)


def carry(
    model: nn.Module,
    state: Mapping[str, Tensor],
    rules: Sequence[Rule],
    dropped: Mapping[str, str],
    ties: Mapping[str, str] | None = None,
    optional: Sequence[str] = (),
) -> Carried:
    """Fills ``model`` from ``state`` and reports on every tensor of both; a model on the meta device is checked only.

    Raises:
        DataError: names every tensor that is missing, has no place, has another shape, or differs from the one it repeats.
    """
    own, found, ties = model.state_dict(), {**state}, ties or {}
    rules = [rule for rule in rules if rule.target in own]
    problems = []
    for repeated, original in ties.items():
        if repeated in found and not _same(found.setdefault(original, found[repeated]), found[repeated]):
            problems.append(f"{repeated} should repeat {original}, but differs from it")
    filled: dict[tuple[str, int], str] = {}
    for rule in rules:
        if rule.source in found:
            problems += _fill(rule, found, own, filled)
    begun = {part_of(target, optional) for target, _ in filled}
    needed = {(rule.target, rule.part): rule for rule in reversed(rules)}
    for place, rule in reversed(needed.items()):
        part = part_of(rule.target, optional)
        if place not in filled and (part is None or part in begun):
            problems.append(f"{rule.source} is missing")
    taken = {rule.source for rule in rules} & found.keys()
    left = {key: f"repeats {ties[key]}" if key in ties else _reason(key, dropped) for key in state if key not in taken}
    problems += [
        f"{key} {tuple(state[key].shape)} has no place and is not known to be left out"
        for key, reason in left.items()
        if not reason
    ]
    if problems:
        more = f"\n  ... and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
        raise DataError("\n  ".join(["these tensors do not fit:", *problems[:LISTED]]) + more)
    slices, parts = Counter(target for target, _ in filled), {rule.target: rule.of for rule in rules}
    unfilled = sorted(name for name in own if slices[name] < parts.get(name, 1))
    return Carried(tuple(key for key in found if key in taken), left, tuple(unfilled))


def modern_names(state: Mapping[str, Tensor], beginnings: Mapping[str, str] | None = None) -> dict[str, Tensor]:
    """The state dict without a wrapper's ``module.``, with other ``beginnings`` and LayerNorm's old gamma and beta renamed."""
    renamed = {}
    for key, tensor in state.items():
        key = key.removeprefix("module.")
        begin = next((begin for begin in beginnings or () if key.startswith(begin)), "")
        key = (beginnings or {}).get(begin, "") + key.removeprefix(begin)
        key = key.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        renamed[key] = tensor
    return renamed


def _fill(
    rule: Rule, found: Mapping[str, Tensor], own: Mapping[str, Tensor], filled: dict[tuple[str, int], str]
) -> list[str]:
    """Follows one rule; says what is wrong. Two sources of one place have to be equal."""
    source = found[rule.source]
    place = rule.place(own[rule.target])
    first = filled.setdefault((rule.target, rule.part), rule.source)
    value = rule.take(source) if source.ndim or rule.row is None else source
    if value.shape != place.shape:
        return [f"{rule.source} has shape {tuple(value.shape)}, but {rule.target} needs {tuple(place.shape)}"]
    if first != rule.source:
        same = _same(found[first], source)
        return [] if same else [f"{rule.source} should repeat {first}, but differs from it"]
    with torch.no_grad():
        place.copy_(value)
    return []


def _same(one: Tensor, other: Tensor) -> bool:
    return one is other or torch.equal(one, other)


def _reason(key: str, dropped: Mapping[str, str]) -> str:
    return next((why for pattern, why in dropped.items() if pattern in key), "")
