"""Rules that carry a published checkpoint's tensors to ours, name by name, and say what was left.

A rule is data: where a tensor comes from, where it goes, and which slice of the target it fills (queries, keys and values
are one matrix here). Run backwards, the same rules name our tensors as the original did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from iconotext.models.system import System


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.t() if tensor.ndim == 2 else tensor


def _flat(tensor: Tensor) -> Tensor:
    return tensor.flatten(1) if tensor.ndim == 4 else tensor


def _square(tensor: Tensor) -> Tensor:
    side = math.isqrt(tensor.shape[1] // 3)
    return tensor.view(-1, 3, side, side)


def _bare(tensor: Tensor) -> Tensor:
    return tensor[0] if tensor.ndim == 3 and tensor.shape[0] == 1 else tensor


def _batched(tensor: Tensor) -> Tensor:
    return tensor[None]


FORMS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "same": (_unchanged, _unchanged),
    "transposed": (_transposed, _transposed),
    "patches": (_flat, _square),
    "one": (_bare, _batched),
}
"""From the source's form to ours, and back: a matrix that is multiplied from the right, a convolution over square patches of
three colours, a batch of one."""


@dataclass(frozen=True)
class Rule:
    """``source`` fills slice ``part`` of ``of`` equal ones (along the first axis) of ``target``.

    ``row`` takes one row of the source; ``form`` says how the source lays out what is ours otherwise.
    """

    source: str
    target: str
    part: int = 0
    of: int = 1
    row: int | None = None
    form: Literal["same", "transposed", "patches", "one"] = "same"

    def take(self, tensor: Tensor) -> Tensor:
        """What of the source is carried over."""
        return FORMS[self.form][0](tensor if self.row is None else tensor[self.row])

    def give(self, target: Tensor) -> Tensor:
        """The slice of the target as the source has it."""
        return FORMS[self.form][1](self.place(target))

    def place(self, target: Tensor) -> Tensor:
        """The slice of the target that this rule fills, as a view."""
        if self.of == 1:
            return target
        size = target.shape[0] // self.of
        return target[self.part * size : (self.part + 1) * size]


@dataclass(frozen=True)
class Release:
    """One published layout: how to make the system from its config, which tensors go where, and which are dropped and why.

    ``renamed`` maps how names begin in some files to how they begin in ours: a wrapper's prefix, or one that is left out.
    ``ties`` maps a name that repeats a tensor to that tensor's name: a file may have either or both, but not two that differ.
    ``optional`` are parts of ours (prefixes) that a file may lack as a whole; each head is such a part in any case.
    ``marks`` are settings that no other release of this layout has in its config.
    ``published`` is the config of the base model, for a file that has none beside it.
    ``config`` makes the config of a page and the model's sizes, where models are written in this layout as well.
    """

    name: str
    source: str
    system: Callable[[Mapping[str, object]], System]
    rules: Callable[[System], Sequence[Rule]]
    sizes: Callable[[Mapping[str, Tensor]], dict[str, Any]]
    dropped: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    config: Callable[[System, Mapping[str, int]], dict[str, Any]] | None = None


def both(source: str, target: str) -> list[Rule]:
    """Weight and bias of a linear map or a norm."""
    return [Rule(f"{source}.{part}", f"{target}.{part}") for part in ("weight", "bias")]


def stacked(sources: Sequence[str], target: str) -> list[Rule]:
    """Weights and biases of several linear maps, one under the other in ``target``."""
    return [
        Rule(f"{source}.{part}", f"{target}.{part}", index, len(sources))
        for index, source in enumerate(sources)
        for part in ("weight", "bias")
    ]


def bert_layer(source: str, index: int, stream: str) -> list[Rule]:
    """A BERT layer under ``source`` to the attention sublayer ``index`` and the feed-forward sublayer after it."""
    attend, forward = f"trunk.encoder.sublayers.{index}", f"trunk.encoder.sublayers.{index + 1}"
    return [
        *stacked(
            [f"{source}.attention.self.{name}" for name in ("query", "key", "value")], f"{attend}.project.{stream}"
        ),
        *both(f"{source}.attention.output.dense", f"{attend}.output.{stream}"),
        *both(f"{source}.attention.output.LayerNorm", f"{attend}.norm.{stream}"),
        *both(f"{source}.intermediate.dense", f"{forward}.up.{stream}"),
        *both(f"{source}.output.dense", f"{forward}.down.{stream}"),
        *both(f"{source}.output.LayerNorm", f"{forward}.norm.{stream}"),
    ]


def text_embedding(source: str) -> list[Rule]:
    """BERT's three tables and norm."""
    tables = {"word": "word_embeddings", "position": "position_embeddings", "segment": "token_type_embeddings"}
    return [
        *(Rule(f"{source}.{theirs}.weight", f"trunk.text.tables.{ours}.weight") for ours, theirs in tables.items()),
        *both(f"{source}.LayerNorm", "trunk.text.norm"),
    ]


def vocabulary_head(source: str) -> list[Rule]:
    """BERT's head; its decoder is the word table."""
    return [
        Rule(f"{source}.bias", "heads.mlm.bias"),
        *both(f"{source}.transform.dense", "heads.mlm.transform.linear"),
        *both(f"{source}.transform.LayerNorm", "heads.mlm.transform.norm"),
    ]
