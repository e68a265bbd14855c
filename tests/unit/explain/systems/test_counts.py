"""Parameters against what was published, operations against torch's own counter."""

from __future__ import annotations

import pytest
import torch
from samples import CLASSES, FEATURES, VOCAB, batch_of
from torch.utils.flop_counter import FlopCounterMode

from iconotext.explain.systems.counts import Measure, built, flops, parameters, tokens
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.systems import SYSTEMS
from iconotext.systems.bert import BERT
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT


@pytest.mark.parametrize("name", SYSTEMS)
def test_parts_add_up(name: str) -> None:
    model = built(SYSTEMS[name])
    assert sum(parameters(model).values()) == count_parameters(model)


def test_parameters_by_part() -> None:
    found = parameters(built(UNITER, Measure(vocabulary=28996)))
    assert found["encoder"] == 85_054_464
    assert found["head of ITM"] == 2 * 768 + 2
    assert sum(found.values()) == 112_938_887 - 2048  # without the mask table's first row


def test_tokens_of_a_pair() -> None:
    assert tokens(UNITER) == {"text": 22, "region": 36}
    assert tokens(VILBERT) == {"text": 22, "region": 37}
    assert tokens(BERT) == {"text": 22, "region": 0}


@torch.no_grad()
@pytest.mark.parametrize("name", SYSTEMS)
def test_operations_are_those_that_torch_counts(name: str) -> None:
    page = SYSTEMS[name].at("tiny")
    model = PretrainModel(page, VOCAB.size, FEATURES, CLASSES).eval()
    batch = batch_of(page, [5], [4])
    with FlopCounterMode(display=False) as counter:
        model.trunk.pool(model.trunk(batch))
    lengths = {"text": batch.text.ids.numel(), "region": batch.region.masked.numel()}
    assert flops(model.trunk, lengths) == counter.get_total_flops()
