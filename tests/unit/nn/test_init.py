"""How weights begin."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from iconotext.nn.init import initialise


@pytest.mark.parametrize(("std", "linear", "table"), [(0.02, 0.02, 0.02), (0.0, 0.05, 0.1)])
def test_spread(std: float, linear: float, table: float) -> None:
    torch.manual_seed(0)
    module = nn.ModuleDict({"linear": nn.Linear(400, 300), "table": nn.Embedding(500, 100), "norm": nn.LayerNorm(20)})
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(7.0)
    initialise(module, std)
    module.requires_grad_(False)
    assert float(module["linear"].weight.std()) == pytest.approx(linear, rel=0.02)
    assert float(module["table"].weight.std()) == pytest.approx(table, rel=0.02)
    assert abs(float(module["linear"].weight.mean())) < 0.001
    assert not module["linear"].bias.any()
    assert (module["norm"].weight == 1).all()
    assert not module["norm"].bias.any()
