"""Word-region alignment over packed rows."""

from __future__ import annotations

import numpy as np
import padded
import torch
from samples import PAGES, VOCAB, batch_of, tokens
from torch import nn

from iconotext.core.batch import Encoded
from iconotext.core.seed import Draw
from iconotext.objectives.base import View
from iconotext.objectives.wra import WRA

BATCH = batch_of(PAGES["uniter"], [4, 2, 0, 3, 1], [3, 5, 2, 0, 1])
TARGETS = WRA().corrupt(BATCH, BATCH, Draw(0, 0, np.arange(5)), VOCAB)[1]


def test_rows_with_both_count_with_their_sign() -> None:
    assert TARGETS.positions.tolist() == [0, 1, 4]
    assert TARGETS.values.tolist() == [1, -1, -1]
    assert TARGETS.count == 3


def test_loss_is_the_signed_mean_of_the_distances() -> None:
    torch.manual_seed(0)
    text = torch.randn(BATCH.text.ids.numel(), 6, requires_grad=True)
    region = torch.randn(BATCH.region.masked.numel(), 6, requires_grad=True)
    view = View(Encoded(text, region, BATCH.text.offsets, BATCH.region.offsets), None, BATCH)
    loss = WRA().loss(nn.Identity(), view, TARGETS)
    each = [padded.distance(text[tokens(BATCH.text, r)], region[tokens(BATCH.region, r)], 0.5, 50) for r in (0, 1, 4)]
    torch.testing.assert_close(loss.mean, (each[0] - each[1] - each[2]) / 3, rtol=1e-4, atol=1e-5)
    loss.sum.backward()
    assert text.grad is not None
    rows = [bool(text.grad[tokens(BATCH.text, row)].any()) for row in range(5)]
    assert rows == [True, True, False, False, True]


def test_it_is_computed_in_full_precision() -> None:
    torch.manual_seed(0)
    text = torch.randn(BATCH.text.ids.numel(), 6).bfloat16()
    region = torch.randn(BATCH.region.masked.numel(), 6).bfloat16()
    offsets = BATCH.text.offsets, BATCH.region.offsets
    with torch.autocast("cpu", torch.bfloat16):
        mixed = WRA().loss(nn.Identity(), View(Encoded(text, region, *offsets), None, BATCH), TARGETS)
    full = WRA().loss(nn.Identity(), View(Encoded(text.float(), region.float(), *offsets), None, BATCH), TARGETS)
    assert mixed.sum.dtype == torch.float32
    torch.testing.assert_close(mixed.sum, full.sum)
