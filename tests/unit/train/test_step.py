import math
from collections.abc import Mapping
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from iconotext.core.batch import Loss
from iconotext.core.errors import ConfigError
from iconotext.train.dist import world
from iconotext.train.optim import adamw, trainable
from iconotext.train.step import Outcome, Step


def make(toy: ModuleType, **changes: object) -> tuple[Step, nn.Module]:
    model = toy.Model()
    parameters = [item.parameter for item in trainable(model)]
    optimiser = adamw(model, toy.config(weight_decay=0.5))
    for group in optimiser.param_groups:
        group["lr"] = 0.01
    settings = {"losses": toy.losses, "weights": toy.WEIGHTS, "clip": None, "precision": "fp32", **changes}
    return Step(model=model, optimiser=optimiser, parameters=parameters, world=world(), **settings), model


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("sizes", [(12, 12), (8, 8, 8), (1, 20, 3)])
def test_cutting_into_micro_batches_changes_nothing(toy: ModuleType, sizes: tuple[int, ...]) -> None:
    (whole, expected), (cut, found) = make(toy), make(toy)
    first = whole([toy.micro(0, 24)], 0, False)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    second = cut([toy.micro(start, size) for start, size in zip(starts, sizes)], 0, False)
    assert second.losses["a"] == pytest.approx(first.losses["a"])
    assert second.losses["b"] == pytest.approx(first.losses["b"])
    assert second.norm == pytest.approx(first.norm)
    torch.testing.assert_close(values(found), values(expected), atol=1e-6, rtol=1e-5)


def test_gradient_is_that_of_the_weighted_sum_of_means(toy: ModuleType) -> None:
    step, model = make(toy)
    micro = toy.micro(0, 24)
    found = toy.losses(model, micro)
    (1.0 * found["a"].mean + 0.5 * found["b"].mean).backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    outcome = step([micro], 0, False)
    torch.testing.assert_close({n: p.grad for n, p in model.named_parameters() if p.grad is not None}, expected)
    assert outcome.norm == pytest.approx(math.sqrt(sum(float(g.square().sum()) for g in expected.values())))
    assert (outcome.rows, outcome.tokens, outcome.finite) == (24, 7, True)


def test_what_no_loss_uses_is_left_alone(toy: ModuleType) -> None:
    step, model = make(toy)
    before = values(model)
    outcome = step([toy.micro(24, 24)], 1, False)
    after = values(model)
    assert set(outcome.losses) == {"a"}
    untouched = {n for n in before if torch.equal(before[n], after[n])}
    assert untouched == {"head_b.weight", "head_b.bias", "unused.weight", "unused.bias"}


def test_clips_the_global_norm(toy: ModuleType) -> None:
    step, model = make(toy, clip=0.1)
    norm = step([toy.micro(0, 24)], 0, False).norm
    clipped = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    assert norm > 0.1
    assert float(clipped) == pytest.approx(0.1)


def spoiled(toy: ModuleType, bad: int, gradient_only: bool = False):
    def losses(model: nn.Module, micro: object) -> Mapping[str, Loss]:
        found = dict(toy.losses(model, micro))
        if bad in micro.ids:
            a = found["a"].sum
            found["a"] = Loss(a + (a - a.detach()).sqrt() if gradient_only else a * float("nan"), found["a"].count)
        return found

    return losses


@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_step_that_is_not_finite_changes_nothing_and_says_where(toy: ModuleType, gradient_only: bool) -> None:
    step, model = make(toy, losses=spoiled(toy, bad=13, gradient_only=gradient_only))
    before = values(model)
    outcome = step([toy.micro(0, 12), toy.micro(12, 12)], 6, False)
    assert not outcome.finite
    torch.testing.assert_close(values(model), before, atol=0, rtol=0)
    assert not step.optimiser.state
    if gradient_only:
        assert outcome.blame == ("every loss is finite, the gradient is not",)
    else:
        assert outcome.blame == ("process 0, micro-batch 7, rows " + ", ".join(map(str, range(12, 24))),)


def test_counts_that_disagree_are_refused(toy: ModuleType) -> None:
    def one_too_many(model: nn.Module, micro: object) -> Mapping[str, Loss]:
        a = toy.losses(model, micro)["a"]
        return {"a": Loss(a.sum, a.count + 1)}

    step, _ = make(toy, losses=one_too_many)
    with pytest.raises(ConfigError, match="a was summed over 25 things, its batches said 24"):
        step([toy.micro(24, 24)], 0, False)


def test_objectives_without_weight_are_refused(toy: ModuleType) -> None:
    step, _ = make(toy, weights={"a": 1.0})
    with pytest.raises(ConfigError, match="objective b has no weight"):
        step([toy.micro(0, 24)], 0, False)


def test_bf16_gives_fp32_gradients(toy: ModuleType) -> None:
    step, model = make(toy, precision="bf16")
    assert step([toy.micro(0, 24)], 0, False).finite
    assert {p.grad.dtype for p in model.parameters() if p.grad is not None} == {torch.float32}


def test_stop_is_passed_on(toy: ModuleType) -> None:
    step, _ = make(toy)
    assert step([toy.micro(0, 24)], 0, True).stop
    assert not Outcome({"a": (float("inf"), 1.0)}, 1.0, 1, 0, False).finite
