import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from iconotext.core.batch import Loss
from iconotext.core.errors import ConfigError
from iconotext.train import state
from iconotext.train.loop import NonFinite, train


def test_trains_and_logs_each_step_once(tmp_path: Path, toy: ModuleType) -> None:
    result, _ = toy.run(tmp_path, steps=60, log_every=10)
    assert [line["step"] for line in toy.lines(tmp_path)] == [10, 20, 30, 40, 50, 60]
    assert toy.lines(tmp_path)[-1]["losses"]["a"] < 0.7 * toy.lines(tmp_path)[0]["losses"]["a"]
    assert (result.steps, result.skipped, result.precision) == (60, 0, "fp32")
    assert result.state == state.folder(tmp_path, 60)
    assert state.steps(tmp_path) == [55, 60]
    assert "decay 0.01" in toy.lines(tmp_path, "note")[0]["text"]


def test_a_finished_run_stays_as_it_is(tmp_path: Path, toy: ModuleType) -> None:
    first, model = toy.run(tmp_path)
    before = toy.numbers(tmp_path)
    second, again = toy.run(tmp_path)
    assert (second.steps, second.state, toy.numbers(tmp_path)) == (first.steps, first.state, before)
    assert toy.same(model, again)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", [3, 5, 11])
def test_goes_on_exactly_with_dropout_and_sparse_logging(tmp_path: Path, toy: ModuleType, at: int) -> None:
    options = {"dropout": 0.3, "log_every": 4, "accumulate": 2, "save_every": 5}
    _, whole = toy.run(tmp_path / "whole", **options)
    calls = 0

    def dying(model: nn.Module, micro: object) -> Mapping[str, Loss]:
        nonlocal calls
        calls += 1
        if calls > 2 * at:
            raise Killed
        return toy.losses(model, micro)

    settings = {key: value for key, value in options.items() if key != "dropout"}
    cut = toy.Model(0.3)
    with pytest.raises(Killed):
        train(toy.config(**settings), tmp_path / "cut", cut, toy.stream(2), dying, toy.WEIGHTS)
    torch.manual_seed(999)
    _, found = toy.run(tmp_path / "cut", **options)
    assert toy.numbers(tmp_path / "cut") == toy.numbers(tmp_path / "whole")
    assert toy.same(found, whole)


def test_accumulation_gives_the_same_run(tmp_path: Path, toy: ModuleType) -> None:
    _, one = toy.run(tmp_path / "one")
    _, four = toy.run(tmp_path / "four", accumulate=4)
    torch.testing.assert_close(dict(four.state_dict()), dict(one.state_dict()), atol=1e-5, rtol=0)


def test_ctrl_c_saves_and_says_how_to_go_on(
    tmp_path: Path, toy: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    _, whole = toy.run(tmp_path / "whole")
    calls = 0

    def pressing(model: nn.Module, micro: object) -> Mapping[str, Loss]:
        nonlocal calls
        calls += 1
        if calls == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return toy.losses(model, micro)

    with pytest.raises(SystemExit) as left:
        train(toy.config(), tmp_path / "cut", toy.Model(), toy.stream(1), pressing, toy.WEIGHTS)
    assert left.value.code == 130
    said = capsys.readouterr().err
    assert "stopped after step 8 of 20" in said
    assert "run the same command again" in said
    assert state.steps(tmp_path / "cut")[-1] == 8
    _, found = toy.run(tmp_path / "cut")
    assert toy.same(found, whole)
    assert toy.numbers(tmp_path / "cut") == toy.numbers(tmp_path / "whole")


def spoiling(toy: ModuleType, bad_steps: set[int]):
    def losses(model: nn.Module, micro: object) -> Mapping[str, Loss]:
        found = dict(toy.losses(model, micro))
        if micro.ids[0] // toy.ROWS in bad_steps:
            found["a"] = Loss(found["a"].sum / 0, found["a"].count)
        return found

    return losses


def test_steps_that_are_not_finite_are_left_out_counted_and_named(tmp_path: Path, toy: ModuleType) -> None:
    model = toy.Model()
    result = train(toy.config(), tmp_path, model, toy.stream(1), spoiling(toy, {4, 9}), toy.WEIGHTS)
    assert result.skipped == 2
    found = toy.lines(tmp_path, "skipped")
    assert [line["step"] for line in found] == [5, 10]
    assert found[0]["where"] == ["process 0, micro-batch 4, rows " + ", ".join(map(str, range(96, 120)))]
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert [line["step"] for line in toy.lines(tmp_path)] == list(range(1, 21))


@pytest.mark.parametrize(("settings", "stopped"), [({"skip_in_row": 3}, 7), ({"skip_total": 4}, 8)])
def test_too_many_of_them_stop_the_run(tmp_path: Path, toy: ModuleType, settings: dict, stopped: int) -> None:
    bad = spoiling(toy, {1, 4, 5, 6, 7, 8})
    if "skip_total" in settings:
        bad = spoiling(toy, {1, 3, 5, 7})
    with pytest.raises(NonFinite, match=f"stopped at step {stopped}"):
        train(toy.config(**settings), tmp_path, toy.Model(), toy.stream(1), bad, toy.WEIGHTS)
    assert state.steps(tmp_path) == [5]


def test_counts_of_left_out_steps_outlive_a_restart(tmp_path: Path, toy: ModuleType) -> None:
    bad = spoiling(toy, {4, 5})
    train(toy.config(steps=5), tmp_path, toy.Model(), toy.stream(1), bad, toy.WEIGHTS)
    with pytest.raises(NonFinite, match="2 steps in a row, 2 in all"):
        train(toy.config(skip_in_row=2), tmp_path, toy.Model(), toy.stream(1), bad, toy.WEIGHTS)


def test_a_stream_that_ends_is_an_error(tmp_path: Path, toy: ModuleType) -> None:
    def three(start: int):
        return iter([toy.micro(i * toy.ROWS, toy.ROWS) for i in range(start, 3)])

    with pytest.raises(ConfigError, match="the batches ended in step 4 of 20"):
        train(toy.config(), tmp_path, toy.Model(), three, toy.losses, toy.WEIGHTS)


def test_evaluates_when_due_and_at_the_end(tmp_path: Path, toy: ModuleType) -> None:
    model, seen = toy.Model(0.5), []

    def evaluate(step: int) -> Mapping[str, float]:
        seen.append((step, model.training))
        return {"accuracy": step / 100}

    config = toy.config(evaluate_every=8)
    result = train(config, tmp_path, model, toy.stream(1), toy.losses, toy.WEIGHTS, evaluate=evaluate)
    assert seen == [(8, False), (16, False), (20, False)]
    assert model.training
    assert result.evaluated == {"accuracy": 0.2}
    assert [line["accuracy"] for line in toy.lines(tmp_path, "evaluate")] == [0.08, 0.16, 0.2]


def test_what_an_evaluation_decides_is_remembered(tmp_path: Path, toy: ModuleType) -> None:
    """``due`` says when it looks; what it has found is in the state, and given back before the stream begins."""

    class Looks:
        def __init__(self) -> None:
            self.heard: list[int] = []

        def state(self) -> dict[str, Any]:
            return {"heard": list(self.heard)}

        def restore(self, state: Mapping[str, Any]) -> None:
            self.heard = list(state["heard"])

    def run(steps: int) -> tuple[list[int], list[list[int]]]:
        looks, begun, model = Looks(), [], toy.Model()

        def stream(start: int) -> Iterator[Any]:
            begun.append(list(looks.heard))
            return toy.stream(1)(start)

        def evaluate(step: int) -> Mapping[str, float]:
            looks.heard.append(step)
            return {}

        config, due = toy.config(steps=steps, evaluate_every=1), (lambda step: step in (3, 4, 9))
        train(config, tmp_path, model, stream, toy.losses, toy.WEIGHTS, evaluate=evaluate, due=due, memory=looks)
        return looks.heard, begun

    assert run(7) == ([3, 4, 7], [[]])
    assert run(12) == ([3, 4, 7, 9, 12], [[3, 4, 7]])


def test_changed_settings_are_said_on_going_on(tmp_path: Path, toy: ModuleType) -> None:
    toy.run(tmp_path, steps=5)
    toy.run(tmp_path, steps=10, learning_rate=0.5)
    notes = [line["text"] for line in toy.lines(tmp_path, "note")]
    assert "changed since: steps was 5, is 10" in notes
    assert "changed since: learning_rate was 0.01, is 0.5" in notes


def test_a_run_keeps_the_precision_it_began_with(
    tmp_path: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([("bf16", "measured"), ("fp32", "measured")])
    monkeypatch.setattr("iconotext.train.precision.choose", lambda wanted, device: next(answers))
    assert toy.run(tmp_path, steps=5, precision="auto")[0].precision == "bf16"
    assert toy.run(tmp_path, steps=10, precision="auto")[0].precision == "bf16"


def test_a_compiled_model_keeps_its_names(tmp_path: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self, **how: compiled(self, backend="eager", **how))
    _, plain = toy.run(tmp_path, steps=5)
    _, found = toy.run(tmp_path, steps=10, compile=True)
    assert list(found.state_dict()) == list(plain.state_dict())
    assert [line["step"] for line in toy.lines(tmp_path)] == list(range(1, 11))
