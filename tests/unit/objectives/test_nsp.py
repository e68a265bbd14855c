"""Next-sentence prediction."""

from __future__ import annotations

import numpy as np
from samples import PAGES, VOCAB, batch_of

from iconotext.core.seed import Draw
from iconotext.objectives.base import Negatives
from iconotext.objectives.nsp import NSP


def test_index_0_means_that_the_second_sentence_belongs_there() -> None:
    batch = batch_of(PAGES["uniter"], [2] * 4, [0] * 4)
    same, targets = NSP().corrupt(batch, batch, Draw(0, 0, np.arange(4)), VOCAB)
    assert same is batch
    assert targets.values.tolist() == [0, 1, 0, 0]
    assert targets.count == 4
    assert NSP().name == "nsp"
    assert NSP().negatives == Negatives(0.5, "text")
