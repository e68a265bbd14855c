"""What training and evaluation share: a data set, a region store, a tokenizer, and pairs seated as a system wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from iconotext.core.batch import Batch
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.data.collate import Seating, Sees
from iconotext.data.loader import Loader
from iconotext.data.pair import Drawn, PairTable
from iconotext.data.sampler import LengthSampler
from iconotext.models.multitask import token_of
from iconotext.models.system import System
from iconotext.models.task import second_segment
from iconotext.nn.location import encode_location
from iconotext.objectives.base import Corrupted, Negatives, Objective, Rewrites
from iconotext.objectives.mix import Mix, choose, corrupt, negatives
from iconotext.recipes.retake import Retake
from iconotext.train.config import TrainConfig
from iconotext.train.dist import world

T = TypeVar("T")


def seating(system: System, vocab: Vocab, task: str = "", sees: Sees = "both") -> Seating:
    """How ``system`` wants its pairs, for a ``task`` where it tells tasks apart, and for one that ``sees`` only a part."""
    return Seating(
        vocab=vocab,
        locate=partial(encode_location, system.region.location),
        whole_image=system.layout.whole_image == "mean",
        region_segment=system.layout.region_segment,
        max_words=system.layout.max_words,
        max_regions=system.layout.max_regions,
        end_token=system.layout.end_token,
        image_first=system.layout.image_first,
        link_whole=system.layout.link_whole,
        sentences=system.layout.sentences,
        second_segment=second_segment(system),
        task=token_of(system, task),
        sees=sees,
    )


def sampler_of(
    lengths: NDArray[np.int64], batch: int, config: TrainConfig, weights: NDArray[np.floating] | None = None
) -> LengthSampler:
    """The micro-batches of this process, of ``batch`` rows an update over all micro-batches and processes.

    A row comes in the share of the epochs that ``weights`` says, ``None``: in each.

    Raises:
        ConfigError: ``batch`` cannot be cut so.
    """
    here = world()
    share = config.accumulate * here.size
    if batch < 1 or batch % share:
        raise ConfigError(
            f"--batch {batch} cannot be cut into {config.accumulate} micro-batches on {here.size} processes; "
            f"give a multiple of {share}."
        )
    rows = batch // config.accumulate
    return LengthSampler(lengths, rows, config.seed, rank=here.rank, world=here.size, weights=weights)


def loading(make: Callable[[int], T], config: TrainConfig, workers: int) -> Callable[[int], Iterator[T]]:
    """The micro-batches from a number on to the end of the run, made ahead by worker processes."""

    def batches(start: int) -> Iterator[T]:
        return iter(Loader(make, start, config.steps * config.accumulate, workers))

    return batches


@dataclass(frozen=True)
class PretrainStream:
    """The micro-batches of pre-training: number i is the same in every run with the same settings.

    All micro-batches of one step have the same objectives (as in UNITER's code); which, the mix says. ``retake`` makes the
    features of pictures with hidden regions again.
    """

    pairs: PairTable
    seats: Seating
    mix: Mix
    sampler: LengthSampler
    seed: int
    steps: int
    accumulate: int = 1
    retake: Retake | None = None

    def __call__(self, index: int) -> Corrupted:
        """Micro-batch ``index`` of the run."""
        plan = self.sampler.batch(index)
        chosen = choose(self.mix, self.seed, index // self.accumulate, self.steps)
        draw = Draw(self.seed, plan.epoch, plan.positions)
        clean = self.clean(plan.indices, draw, chosen)
        made = corrupt(chosen, clean, Draw(self.seed, plan.epoch, clean.position.numpy()), self.seats.vocab)
        if self.retake is None:
            return made
        return self.retake(made, [self.pairs.images[i] for i in self.drawn(plan.indices, draw, chosen).image])

    def drawn(self, rows: NDArray[np.int64], draw: Draw, chosen: tuple[Objective, ...]) -> Drawn:
        """Which text and which image each row gets, by what the objectives want of mismatched pairs."""
        wanted = negatives(chosen) or Negatives(rate=0.0)
        if isinstance(wanted, Rewrites):
            return self.pairs.rewritten(rows, draw, wanted.positives, wanted.negatives)
        return self.pairs.draw(rows, draw, wanted.rate, wanted.replace, wanted.swapped, wanted.alike)

    def clean(self, rows: NDArray[np.int64], draw: Draw, chosen: tuple[Objective, ...]) -> Batch:
        """The drawn pairs, matched or mismatched, before any corruption."""
        drawn = self.drawn(rows, draw, chosen)
        regions = self.pairs.store.gather([self.pairs.images[i] for i in drawn.image])
        tokens = self.pairs.tokens(drawn)
        if self.seats.sentences == 2:
            second = self.pairs.second(rows, drawn, draw)
            tokens = self.pairs.texts.rows(rows).beside(second, self.seats.vocab.separator, self.seats.max_words)
        answers = self.pairs.answers(drawn, draw)
        return self.seats.batch(tokens, regions, drawn.matched, drawn.positions, drawn.group, answers)
