"""Recorded cases: a folder each, found by what lies in it, never by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from recorded import recorded
from torch import Tensor

from iconotext.convert import RELEASES, convert
from iconotext.core.batch import Batch, Region, Text, offsets_of
from iconotext.models.pretrain import PretrainModel


@dataclass(frozen=True)
class Case:
    """One recorded case of an original implementation."""

    folder: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        return json.loads((self.folder / "case.json").read_text())  # type: ignore[no-any-return]

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        return recorded(self.folder, "inputs")

    @cached_property
    def outputs(self) -> dict[str, Tensor]:
        return recorded(self.folder, "outputs")

    @cached_property
    def compared(self) -> set[str]:
        """The recorded outputs that were compared so far."""
        return set()

    def assert_all_compared(self, left_out: Mapping[str, str] | None = None) -> None:
        """Asserts that no recorded output was passed over, but those that ``left_out`` names, with a reason each."""
        assert self.outputs.keys() - (left_out or {}).keys() == self.compared

    @property
    def tolerance(self) -> float:
        return float(self.info["tolerance"]["max_abs"])

    def model(self) -> PretrainModel:
        """The case's weights through the converter, with every tensor accounted for.

        A head may be missing as a whole, or what the release says is optional.
        """
        release = RELEASES[self.info["system"]]
        model, carried = convert(release, self.info["config"], recorded(self.folder, "weights"))
        assert all(name.startswith(("heads.", *release.optional)) for name in carried.unfilled), carried.unfilled
        assert all(reason != "no place in this model" for reason in carried.left.values()), carried.left
        return model.eval()

    def compare(self, name: str, ours: Tensor, valid: Tensor | None = None) -> None:
        """Asserts that ``ours`` is the recorded output, where it is valid."""
        theirs = self.outputs[name]
        self.compared.add(name)
        if valid is not None:
            theirs = theirs[valid.bool()]
        assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
        difference = (ours.double() - theirs.double()).abs().max().item() if theirs.numel() else 0.0
        assert difference <= self.tolerance, f"{name}: differs by {difference:.2e}, allowed {self.tolerance:.0e}"

    def compare_gradients(self, model: PretrainModel) -> None:
        """Asserts that every recorded gradient is that of our parameter, through the converter's rules."""
        rules = {rule.source: rule for rule in RELEASES[self.info["system"]].rules(model.system)}
        parameters = dict(model.named_parameters())
        found = [name for name in self.outputs if name.startswith("grad/")]
        assert found
        for name in found:
            self.compared.add(name)
            rule = rules[name.removeprefix("grad/")]
            gradient = parameters[rule.target].grad
            assert gradient is not None, name
            theirs = rule.take(self.outputs[name])
            difference = (rule.place(gradient) - theirs).abs().max().item()
            assert difference <= self.tolerance, f"{name}: differs by {difference:.2e}"
            if rule.row is not None:
                rest = [i for i in range(self.outputs[name].shape[0]) if i != rule.row]
                assert not self.outputs[name][rest].any(), f"{name}: rows that we leave out have a gradient"


def find(folder: Path, system: str) -> list[Case]:
    """All cases of a system under a folder, at any depth."""
    cases = [Case(path.parent) for path in sorted(folder.rglob("case.json"))]
    return [case for case in cases if case.info["system"] == system]


def packed_text(ids: Tensor, valid: Tensor, segment: Tensor | None = None) -> Text:
    """Padded [B, T] ids as a packed text; the padding is dropped."""
    valid = valid.bool()
    position = torch.arange(ids.shape[1]).expand_as(ids)
    chosen = ids[valid]
    count = chosen.numel()
    return Text(
        ids=chosen,
        position=position[valid],
        segment=segment[valid] if segment is not None else torch.zeros_like(chosen),
        word=torch.arange(count),
        special=torch.zeros(count, dtype=torch.bool),
        link=torch.full((count,), -1),
        offsets=offsets_of(valid.sum(1)),
    )


def packed_region(
    features: Tensor, location: Tensor, valid: Tensor, segment: int, masked: Tensor | None = None, whole: bool = False
) -> Region:
    """Padded [B, R, F] features as packed regions; the padding is dropped."""
    valid = valid.bool()
    count = int(valid.sum())
    first = torch.zeros_like(valid)
    first[:, :1] = whole
    return Region(
        features=features[valid],
        boxes=torch.zeros(count, 4),
        location=location[valid],
        segment=torch.full((count,), segment),
        class_probs=torch.zeros(count, 0),
        attributes=torch.full((count,), -1),
        masked=masked[valid] if masked is not None else torch.zeros(count, dtype=torch.bool),
        whole=first[valid],
        offsets=offsets_of(valid.sum(1)),
    )


def pair_up(text: Text, region: Region, matched: Tensor | None = None) -> Batch:
    """A batch of the packed streams."""
    rows = text.offsets.numel() - 1
    return Batch(text, region, torch.ones(rows, dtype=torch.bool) if matched is None else matched, torch.arange(rows))
