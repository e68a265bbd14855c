"""What a training run is told; every setting means exactly what it says, nothing is scaled in silence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from iconotext.core.errors import ConfigError

Precision = Literal["auto", "bf16", "fp32"]
Decay = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True)
class Group:
    """A rule for some of the parameters: the first rule whose ``pattern`` is found in a parameter's label holds.

    A label is ``Class:name``, the class of the module that owns the parameter and the parameter's full name, such as
    ``LayerNorm:head.net.2.weight``, so that a norm is recognised whatever it is called. ``pattern`` is a regular
    expression, upper and lower case alike. ``rate`` multiplies the learning rate, ``decay`` replaces the weight decay
    (None keeps the run's).
    """

    pattern: str
    rate: float = 1.0
    decay: float | None = None


NO_DECAY = (Group(r"(^|[.:])bias$|norm", decay=0.0),)
"""Decay on everything but biases and norms, as BERT and UNITER state it."""


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a run.

    One *step* is one update of the parameters, over ``accumulate`` micro-batches of every process. ``warmup`` is in
    steps, ``floor`` the share of ``learning_rate`` that the schedule ends at, ``clip`` the largest global gradient
    norm (None: no clipping). ``bias_correction=False`` gives the Adam of BERT's first release. ``precision="auto"``
    takes bf16 autocast where the hardware gains from it. Steps whose loss or gradient is not finite are left out, at
    most ``skip_in_row`` in a row and ``skip_total`` in all.

    Raises:
        ConfigError: a value is out of its range.
    """

    steps: int
    learning_rate: float = 5e-5
    warmup: int = 0
    schedule: Decay = "linear"
    floor: float = 0.0
    weight_decay: float = 0.01
    groups: tuple[Group, ...] = NO_DECAY
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    bias_correction: bool = True
    clip: float | None = 5.0
    accumulate: int = 1
    precision: Precision = "auto"
    compile: bool = False
    seed: int = 0
    skip_in_row: int = 10
    skip_total: int = 100
    log_every: int = 10
    save_every: int = 1000
    evaluate_every: int = 0
    keep: int = 2
    tensorboard: bool = False

    def __post_init__(self) -> None:
        requirements = {
            "steps >= 1": self.steps >= 1,
            "learning_rate >= 0": self.learning_rate >= 0,
            "0 <= warmup <= steps": 0 <= self.warmup <= self.steps,
            "0 <= floor <= 1": 0 <= self.floor <= 1,
            "clip > 0 (or none)": self.clip is None or self.clip > 0,
            "accumulate >= 1": self.accumulate >= 1,
            "log_every >= 1": self.log_every >= 1,
            "save_every >= 1": self.save_every >= 1,
            "evaluate_every >= 0": self.evaluate_every >= 0,
            "keep >= 1": self.keep >= 1,
            "skip_in_row >= 1": self.skip_in_row >= 1,
        }
        broken = [rule for rule, kept in requirements.items() if not kept]
        if broken:
            raise ConfigError(f"training settings: it must hold that {', '.join(broken)}; got {self}")

    def shaping(self) -> dict[str, object]:
        """The settings that the result of the run depends on, as JSON values."""
        about_watching = {
            "log_every",
            "save_every",
            "evaluate_every",
            "keep",
            "tensorboard",
            "skip_in_row",
            "skip_total",
        }
        values = {k: v for k, v in asdict(self).items() if k not in about_watching}
        return {**values, "betas": list(self.betas), "groups": [asdict(group) for group in self.groups]}
