import pytest
import torch
from torch import nn

from iconotext.train.config import Group, TrainConfig
from iconotext.train.optim import adamw, describe, rule_for, set_rate, trainable


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.head = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.LayerNorm(4), nn.Linear(4, 5))
        self.head[3].weight = self.words.weight
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


def decays(model: nn.Module, config: TrainConfig) -> dict[str, tuple[float, float]]:
    names = {id(item.parameter): item.name for item in trainable(model)}
    groups = adamw(model, config).param_groups
    return {names[id(p)]: (g["rate"], g["weight_decay"]) for g in groups for p in g["params"]}


def test_biases_and_norms_do_not_decay_whatever_the_norm_is_called() -> None:
    assert decays(Net(), TrainConfig(steps=1)) == {
        "words.weight": (1, 0.01),
        "head.0.weight": (1, 0.01),
        "head.0.bias": (1, 0),
        "head.2.weight": (1, 0),
        "head.2.bias": (1, 0),
        "head.3.bias": (1, 0),
    }


def test_published_quirks_are_rules() -> None:
    everything_decays = decays(Net(), TrainConfig(steps=1, groups=(), weight_decay=1e-4))
    assert set(everything_decays.values()) == {(1, 1e-4)}
    head_x10 = (Group(r":head\..*weight", rate=10.0), Group("", decay=0.0))
    assert decays(Net(), TrainConfig(steps=1, groups=head_x10))["head.2.weight"] == (10, 0.01)
    assert decays(Net(), TrainConfig(steps=1, groups=head_x10))["words.weight"] == (1, 0)


def test_bias_means_a_bias() -> None:
    groups = TrainConfig(steps=1).groups
    assert rule_for("Embedding:biased_words.weight", groups).decay is None
    assert rule_for("Head:bias", groups).decay == 0


def test_rate_of_a_group_is_what_the_rules_say() -> None:
    config = TrainConfig(steps=4, warmup=2, learning_rate=1.0, groups=(Group("head", rate=10.0),))
    optimiser = adamw(Net(), config)
    assert set_rate(optimiser, config, 0) == 0.5
    assert {g["rate"]: g["lr"] for g in optimiser.param_groups} == {1.0: 0.5, 10.0: 5.0}
    assert "rate x10 decay 0.01" in describe(optimiser)


@pytest.mark.parametrize("corrected", [True, False])
def test_update_is_the_formula(corrected: bool) -> None:
    config = TrainConfig(
        steps=9, learning_rate=0.1, weight_decay=0.3, betas=(0.8, 0.9), eps=1e-6, bias_correction=corrected
    )
    layer = nn.Linear(3, 3, bias=False).double()
    optimiser = adamw(layer, config)
    w = layer.weight.detach().clone()
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    for t in range(1, 6):
        g = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(t))
        layer.weight.grad = g.clone()
        optimiser.step()
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        c1, c2 = (1 - 0.8**t, 1 - 0.9**t) if corrected else (1, 1)
        w = w - 0.1 * ((m / c1) / ((v / c2).sqrt() + 1e-6) + 0.3 * w)
        torch.testing.assert_close(layer.weight.detach(), w)
