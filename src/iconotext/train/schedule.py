"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from iconotext.train.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """The rate of update ``step``, counted from 0.

    Linear warm-up that reaches the full rate at update ``warmup - 1``, then a decay from the full rate at update
    ``warmup`` to ``floor`` of it just after the last one, so that no update has a rate of zero. BERT's first release
    computes its decay from step 0 and so falls short of the full rate; this is the form of UNITER and of everything
    later.
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    match config.schedule:
        case "constant":
            share = 1.0
        case "linear":
            share = 1.0 - done
        case "cosine":
            share = 0.5 * (1.0 + math.cos(math.pi * done))
    return config.learning_rate * (config.floor + (1.0 - config.floor) * share)
