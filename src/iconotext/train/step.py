"""One update of the parameters, the same to rounding however its rows are cut into micro-batches and processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.batch import Loss
from iconotext.core.errors import ConfigError
from iconotext.train.config import Precision
from iconotext.train.dist import World
from iconotext.train.optim import update
from iconotext.train.precision import autocast

T = TypeVar("T")


@runtime_checkable
class MicroBatch(Protocol):
    """What the loop asks of a micro-batch; what else it holds is between the loader and the losses.

    ``counts`` says for each objective over how many things its loss is summed in this micro-batch (an objective that
    is not scored may be left out), ``rows`` and ``tokens`` measure its size (tokens 0 where unknown), ``ids`` name
    its rows for the log of steps that went wrong.
    """

    @property
    def counts(self) -> Mapping[str, float]: ...
    @property
    def rows(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def ids(self) -> Sequence[str | int]: ...
    def to(self: T, device: torch.device) -> T: ...


M = TypeVar("M", bound=MicroBatch)


@dataclass(frozen=True)
class Outcome:
    """What a step did: over all processes, (sum, count) of each objective's loss that was scored, rows and tokens seen.

    ``norm`` is the gradient's global norm before clipping. When the step is not ``finite`` the parameters are as
    before and ``blame`` says where. ``stop`` is set when some process was asked to stop.
    """

    losses: dict[str, tuple[float, float]]
    norm: float
    rows: int
    tokens: int
    stop: bool
    blame: tuple[str, ...] = ()

    @property
    def finite(self) -> bool:
        """Whether every loss and the gradient's norm are numbers."""
        return math.isfinite(self.norm) and all(math.isfinite(total) for total, _ in self.losses.values())


@dataclass(frozen=True)
class Step(Generic[M]):
    """What every step shares.

    A step minimises the sum over objectives of ``weight * (sum of the loss / count)``, where sum and count run over
    all micro-batches of the step on all processes. The counts are added up before the first backward pass, so a short
    last batch or an uneven split weighs what it should. ``weights`` names every objective, so that all processes
    agree on them.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    parameters: list[nn.Parameter]
    losses: Callable[[nn.Module, M], Mapping[str, Loss]]
    weights: Mapping[str, float]
    clip: float | None
    precision: Precision
    world: World

    def __call__(self, micros: Sequence[M], first: int, stop: bool) -> Outcome:
        """Update the parameters from these micro-batches; ``first`` is the index of the first one, for messages.

        Raises:
            ConfigError: an objective is not named in ``weights``, or its loss has another count than its batch said.
        """
        self._require_known({name for micro in micros for name in micro.counts})
        names = list(self.weights)
        mine = [sum(micro.counts.get(name, 0.0) for micro in micros) for name in names]
        size = [sum(m.rows for m in micros), sum(m.tokens for m in micros), stop]
        *numbers, rows, tokens, stopping = self.world.add([float(number) for number in [*mine, *size]])
        counts = dict(zip(names, numbers))

        self.optimiser.zero_grad(set_to_none=True)
        parts = torch.stack([self._backward(micro, counts) for micro in micros])
        totals = self.world.add_gradients(self.parameters, parts.sum(0).view(-1))
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm_tensor = torch.nn.utils.get_total_norm(gradients).to(totals)
        *flat, norm = torch.cat([totals, norm_tensor.view(1)]).tolist()

        found = {name: (flat[2 * i], flat[2 * i + 1]) for i, name in enumerate(names)}
        _require_counts(found, counts)
        scored = {name: pair for name, pair in found.items() if counts[name] > 0}
        outcome = Outcome(scored, norm, int(rows), int(tokens), stopping > 0)
        if not outcome.finite:
            self.optimiser.zero_grad(set_to_none=True)
            return Outcome(scored, norm, int(rows), int(tokens), stopping > 0, self._blame(micros, first, parts))
        update(self.optimiser, gradients, self.clip / norm if self.clip is not None and norm > self.clip else 1.0)
        return outcome

    def _backward(self, micro: M, counts: Mapping[str, float]) -> Float[Tensor, "O 2"]:
        """Add this micro-batch's gradients; returns (sum, count) of each objective's loss."""
        with autocast(self.precision, self.world.device):
            found = self.losses(self.model, micro.to(self.world.device))
        self._require_known(found)
        scored = [self.weights[n] / counts[n] * loss.sum.float() for n, loss in found.items() if counts[n] > 0]
        if scored:
            total = torch.stack(scored).sum()
            if total.requires_grad:
                total.backward()  # type: ignore[no-untyped-call]
        part = torch.zeros(len(self.weights), 2, dtype=torch.float64, device=self.world.device)
        for i, name in enumerate(self.weights):
            if name in found:
                part[i, 0], part[i, 1] = found[name].sum.detach(), found[name].count
        return part

    def _require_known(self, names: Mapping[str, object] | set[str]) -> None:
        unknown = sorted(set(names) - set(self.weights))
        if unknown:
            raise ConfigError(
                f"training: objective {', '.join(unknown)} has no weight; name every objective in `weights` "
                f"(it names {', '.join(self.weights)})"
            )

    def _blame(self, micros: Sequence[M], first: int, parts: Float[Tensor, "A O 2"]) -> tuple[str, ...]:
        sound = parts[..., 0].isfinite().all(-1).tolist()
        mine = [
            f"process {self.world.rank}, micro-batch {first + i}, rows {', '.join(map(str, micro.ids))}"
            for i, micro in enumerate(micros)
            if not sound[i]
        ]
        said = self.world.collect(mine)
        return tuple(said) or ("every loss is finite, the gradient is not",)


def _require_counts(found: Mapping[str, tuple[float, float]], counts: Mapping[str, float]) -> None:
    for name, (_, count) in found.items():
        if abs(count - counts[name]) > 1e-3 * max(1.0, counts[name]):
            raise ConfigError(
                f"training: the loss of {name} was summed over {count:g} things, its batches said {counts[name]:g}; "
                "the two must be equal, or the step would depend on how it is cut into micro-batches"
            )
