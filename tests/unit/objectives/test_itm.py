"""Image-text matching."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples import PAGES, VOCAB, batch_of
from torch import nn

from iconotext.core.batch import Encoded
from iconotext.core.seed import Draw
from iconotext.objectives.base import View
from iconotext.objectives.itm import ITM

BATCH = batch_of(PAGES["uniter"], [2] * 4, [3] * 4)
DRAW = Draw(0, 0, np.arange(4))


@pytest.mark.parametrize(("matched", "expected"), [(1, [1, 0, 1, 1]), (0, [0, 1, 0, 0])])
def test_which_index_means_matched(matched: int, expected: list[int]) -> None:
    corrupted, targets = ITM(matched=matched).corrupt(BATCH, BATCH, DRAW, VOCAB)
    assert corrupted is BATCH
    assert targets.values.tolist() == expected
    assert targets.count == 4


def test_loss_is_the_mean_over_rows() -> None:
    _, targets = ITM().corrupt(BATCH, BATCH, DRAW, VOCAB)
    logits = torch.tensor([[0.0, 1], [2, 0], [0, 0], [-1, 3]])
    empty = torch.zeros(0, 1)
    view = View(Encoded(empty, empty, torch.zeros(2).long(), torch.zeros(2).long()), lambda: logits, BATCH)
    expected = -torch.stack([logits[i].log_softmax(0)[k] for i, k in enumerate([1, 0, 1, 1])]).mean()
    torch.testing.assert_close(ITM().loss(nn.Identity(), view, targets).mean, expected)
