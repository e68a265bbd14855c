"""How objectives combine: one corrupted batch with several losses, or one objective a batch. They nest.

Joint masking (words and regions hidden in the same pair) is ``Together((MLM(), MRC(...)))``; conditional masking (one of
them at a time) is ``OneAtATime(((1, MLM()), (1, MRC(...))))``. Neither is a switch anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from iconotext.core.batch import Batch
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw, derive, generator
from iconotext.core.vocab import Vocab
from iconotext.objectives.base import Corrupted, Negatives, Objective, Rewrites, Targets


@dataclass(frozen=True)
class Together:
    """All ``parts`` on the same batch; the losses are added by their weights."""

    parts: tuple[Mix, ...]


@dataclass(frozen=True)
class OneAtATime:
    """One of the parts a batch, drawn in proportion to its share."""

    parts: tuple[tuple[float, Mix], ...]


@dataclass(frozen=True)
class Phases:
    """One mix after the other: each takes its share of the run's batches, in order."""

    parts: tuple[tuple[float, Mix], ...]


Mix: TypeAlias = Objective | Together | OneAtATime | Phases


def choose(mix: Mix, seed: int, index: int, total: int) -> tuple[Objective, ...]:
    """The objectives of batch ``index`` of ``total``, a pure function of its arguments."""
    if isinstance(mix, Together):
        return tuple(o for i, part in enumerate(mix.parts) for o in choose(part, derive(seed, i), index, total))
    if isinstance(mix, OneAtATime):
        shares = [share for share, _ in mix.parts]
        number = generator(seed, "which objective", index).random() * sum(shares)
        for share, part in mix.parts:
            number -= share
            if number < 0:
                return choose(part, derive(seed, "inside"), index, total)
        return choose(mix.parts[-1][1], derive(seed, "inside"), index, total)
    if isinstance(mix, Phases):
        begin, whole = 0.0, sum(share for share, _ in mix.parts)
        for share, part in mix.parts:
            begin += share / whole
            if index < begin * total:
                return choose(part, seed, index, total)
        return choose(mix.parts[-1][1], seed, index, total)
    return (mix,)


def every(mix: Mix) -> list[Objective]:
    """Every objective in the mix, in order; several may have one name."""
    if isinstance(mix, Together):
        return [o for part in mix.parts for o in every(part)]
    if isinstance(mix, OneAtATime | Phases):
        return [o for _, part in mix.parts for o in every(part)]
    return [mix]


def objectives(mix: Mix) -> tuple[Objective, ...]:
    """Every objective in the mix, each name once."""
    return tuple({o.name: o for o in every(mix)}.values())


def negatives(chosen: Sequence[Objective]) -> Negatives | Rewrites | None:
    """How mismatched pairs are made for these objectives, ``None`` when all pairs match."""
    wanted = {o.negatives for o in chosen if o.negatives is not None}
    if len(wanted) > 1:
        raise ConfigError("Two objectives of one batch ask for different negatives; give them the same.")
    return next(iter(wanted), None)


def corrupt(chosen: Sequence[Objective], batch: Batch, draw: Draw, vocab: Vocab) -> Corrupted:
    """The batch with every objective's corruption, and all targets; ``batch`` itself is left alone.

    Raises:
        ConfigError: when two of them have one name.
    """
    clean: Batch = batch
    targets: dict[str, Targets] = {}
    for objective in chosen:
        if objective.name in targets:
            raise ConfigError(f"Two objectives of one batch are called {objective.name!r}; a mix may hold one of them.")
        batch, targets[objective.name] = objective.corrupt(batch, clean, draw, vocab)
    return Corrupted(batch, targets)


def replaced(mix: Mix, change: Callable[[Objective], Objective]) -> Mix:
    """The same mix with every objective changed."""
    if isinstance(mix, Together):
        return Together(tuple(replaced(part, change) for part in mix.parts))
    if isinstance(mix, OneAtATime):
        return OneAtATime(tuple((share, replaced(part, change)) for share, part in mix.parts))
    if isinstance(mix, Phases):
        return Phases(tuple((share, replaced(part, change)) for share, part in mix.parts))
    return change(mix)


def without(mix: Mix, leave: Callable[[Objective], bool]) -> Mix:
    """The same mix without some objectives; what they shared a batch or a phase with keeps its share.

    Raises:
        ConfigError: nothing is left.
    """
    left = _kept(mix, leave)
    if left is None:
        raise ConfigError("No objective is left: the data has nothing that this system learns from.")
    return left


def _kept(mix: Mix, leave: Callable[[Objective], bool]) -> Mix | None:
    if isinstance(mix, Together):
        together = tuple(kept for part in mix.parts if (kept := _kept(part, leave)) is not None)
        return Together(together) if together else None
    if isinstance(mix, OneAtATime | Phases):
        parts = tuple((share, kept) for share, part in mix.parts if (kept := _kept(part, leave)) is not None)
        return type(mix)(parts) if parts else None
    return None if leave(mix) else mix
