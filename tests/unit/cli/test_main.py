from __future__ import annotations

import dataclasses
import subprocess
import sys
import types
from importlib import import_module

import pytest

import iconotext
from iconotext.cli import main
from iconotext.cli.command import Command
from iconotext.core.errors import DataError


@dataclasses.dataclass(frozen=True)
class Options:
    """Do a thing."""

    out: str
    """Where it goes."""
    times: int = 1
    """How often."""


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A command ``do thing`` whose recipe is this module; a test may replace its ``run``."""
    module = types.ModuleType("iconotext.recipes.thing")
    module.Options = Options
    module.run = lambda options: None
    monkeypatch.setitem(sys.modules, module.__name__, module)
    command = Command("do thing", "Do a thing.", recipe="thing", options="Options", examples=("iconotext do thing",))
    monkeypatch.setitem(main.COMMANDS, command.words, command)
    monkeypatch.setitem(main.GROUPS, "Things", (command,))
    return module


def test_flags_become_the_options_of_the_recipe(recipe: types.ModuleType) -> None:
    seen = []
    recipe.run = seen.append
    assert main.call(["do", "thing", "--out", "here", "--times", "3"]) == 0
    assert seen == [Options("here", 3)]


def test_what_a_user_can_mend_is_a_message_and_not_a_traceback(
    recipe: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: Options) -> None:
        raise DataError(f"{options.out}: no such folder; 'iconotext world' makes one")

    recipe.run = run
    assert main.call(["do", "thing", "--out", "here"]) == 2
    assert capsys.readouterr().err == "error: here: no such folder; 'iconotext world' makes one\n"


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(
    recipe: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: Options) -> None:
        raise KeyboardInterrupt

    recipe.run = run
    assert main.call(["do", "thing", "--out", "here"]) == 130
    assert "same command again" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(recipe: types.ModuleType) -> None:
    def run(options: Options) -> None:
        raise ZeroDivisionError

    recipe.run = run
    with pytest.raises(ZeroDivisionError):
        main.call(["do", "thing", "--out", "here"])


def test_help_of_a_verb_has_its_flags_and_examples(
    recipe: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main.call(["do", "thing", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "Do a thing." in text
    assert "How often." in text
    assert "  iconotext do thing" in text


def test_a_wrong_flag_exits_with_2(recipe: types.ModuleType) -> None:
    with pytest.raises(SystemExit) as stop:
        main.call(["do", "thing", "--ouch", "here"])
    assert stop.value.code == 2


def test_the_first_word_alone_lists_what_is_below_it(
    recipe: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.call(["do"]) == 0
    text = capsys.readouterr().out
    assert "do thing" in text
    assert "Draw the built-in" not in text


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_overview_lists_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(arguments) == 0
    text = capsys.readouterr().out
    assert all(words in text for words in main.COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(["--version"]) == 0
    assert capsys.readouterr().out == f"iconotext {iconotext.__version__}\n"


def test_a_slip_of_the_fingers_is_answered_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.call(["wrold"]) == 2
    assert "Did you mean 'iconotext world'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", main.COMMANDS.values(), ids=main.COMMANDS)
def test_every_command_has_documented_options(command: Command) -> None:
    options = command.load()
    assert callable(getattr(import_module(f"iconotext.recipes.{command.recipe}"), command.run))
    assert options.__doc__
    assert dataclasses.is_dataclass(options)
    assert options.__dataclass_params__.frozen
    assert all(f"iconotext {command.words}" in example for example in command.examples)


def test_the_overview_does_not_wait_for_torch() -> None:
    code = "import sys; from iconotext.cli.main import call; call([]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_reader_that_has_seen_enough_hears_no_complaint() -> None:
    line = f"set -o pipefail; '{sys.executable}' -m iconotext world --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")
