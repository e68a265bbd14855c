"""What training and evaluation share: a data set, a region store, a tokenizer, and pairs seated as a system wants them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from iconotext.core.batch import Batch
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.data.collate import Seating
from iconotext.data.pair import Drawn, PairTable
from iconotext.data.sampler import LengthSampler
from iconotext.models.system import System
from iconotext.nn.location import encode_location
from iconotext.objectives.base import Corrupted, Objective
from iconotext.objectives.mix import Mix, choose, corrupt, negatives


def seating(system: System, vocab: Vocab) -> Seating:
    """How ``system`` wants its pairs."""
    return Seating(
        vocab=vocab,
        locate=partial(encode_location, system.region.location),
        whole_image=system.layout.whole_image == "mean",
        region_segment=system.layout.region_segment,
        max_words=system.layout.max_words,
        max_regions=system.layout.max_regions,
    )


@dataclass(frozen=True)
class PretrainStream:
    """The micro-batches of pre-training: number i is the same in every run with the same settings.

    All micro-batches of one step have the same objectives (as in UNITER's code); which, the mix says.
    """

    pairs: PairTable
    seats: Seating
    mix: Mix
    sampler: LengthSampler
    seed: int
    steps: int
    accumulate: int = 1

    def __call__(self, index: int) -> Corrupted:
        """Micro-batch ``index`` of the run."""
        plan = self.sampler.batch(index)
        chosen = choose(self.mix, self.seed, index // self.accumulate, self.steps)
        draw = Draw(self.seed, plan.epoch, plan.positions)
        return corrupt(chosen, self.clean(plan.indices, draw, chosen), draw, self.seats.vocab)

    def drawn(self, rows: NDArray[np.int64], draw: Draw, chosen: tuple[Objective, ...]) -> Drawn:
        """Which text and which image each row gets, by what the objectives want of mismatched pairs."""
        wanted = negatives(chosen)
        rate, replace, swapped = (wanted.rate, wanted.replace, wanted.swapped) if wanted else (0.0, "image", 0.0)
        return self.pairs.draw(rows, draw, rate, replace, swapped)

    def clean(self, rows: NDArray[np.int64], draw: Draw, chosen: tuple[Objective, ...]) -> Batch:
        """The drawn pairs, matched or mismatched, before any corruption."""
        drawn = self.drawn(rows, draw, chosen)
        regions = self.pairs.store.gather([self.pairs.images[i] for i in drawn.image])
        return self.seats.batch(self.pairs.tokens(drawn), regions, drawn.matched, draw.positions)
