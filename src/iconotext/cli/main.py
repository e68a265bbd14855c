"""``iconotext VERB ...``: finds the verb, reads its flags, runs its recipe, and says what went wrong in a sentence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from inspect import getdoc

import tyro
from rich.console import Console
from rich.table import Table

import iconotext
from iconotext.cli.command import Command
from iconotext.cli.commands import GROUPS
from iconotext.core.errors import IconotextError

MISUSED = 2
INTERRUPTED = 130
UNREAD = 141

COMMANDS = {command.words: command for group in GROUPS.values() for command in group}


def main() -> None:
    """The entry point: runs the command line and exits with its status.

    Threads of a matrix product that wait for each other soon go to sleep. OpenMP's long spinning, which has to be told
    otherwise before torch is imported, made training thirty times slower as soon as another program used one of two cores.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    sys.exit(call(sys.argv[1:]))


def call(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status: 0, an error's own for what the user can mend, 130 after Ctrl-C."""
    command = find(arguments)
    if command is None:
        return overview(arguments)
    try:
        command.call(read(command, arguments[len(command.words.split()) :]))
    except IconotextError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted. Run the same command again to go on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads, such as head, has seen enough; what is still in the buffer goes nowhere, without a complaint at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    return 0


def find(arguments: Sequence[str]) -> Command | None:
    """The command that the first words name."""
    return next((COMMANDS[words] for n in (2, 1) if (words := " ".join(arguments[:n])) in COMMANDS), None)


def read(command: Command, flags: Sequence[str]) -> object:
    """The options from the flags; ``--help`` and a wrong flag end the program here."""
    options = command.load()
    about = re.sub(r"(?<=\S)\n(?=\S)", " ", getdoc(options) or command.summary)
    examples = "\n".join(f"  {line}" for line in command.examples)
    value: object = tyro.cli(
        options,
        prog=f"iconotext {command.words}",
        description=f"{about}\n\nExamples:\n{examples}",
        args=flags,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.PositionalMetavarFromFieldName),
    )
    return value


def overview(arguments: Sequence[str]) -> int:
    """Answer a line that names no command: the version, the list of commands, or what may have been meant."""
    word = arguments[0] if arguments else "--help"
    if word == "--version":
        print(f"iconotext {iconotext.__version__}")
        return 0
    group = {name: tuple(c for c in commands if c.words.split()[0] == word) for name, commands in GROUPS.items()}
    if word in ("-h", "--help") or any(group.values()):
        show(GROUPS if word.startswith("-") else group)
        return 0
    near = get_close_matches(" ".join(arguments[:2]), COMMANDS, 1) or get_close_matches(word, COMMANDS, 1)
    hint = f" Did you mean 'iconotext {near[0]}'?" if near else ""
    print(f"error: there is no command '{word}'.{hint} 'iconotext --help' lists them.", file=sys.stderr)
    return MISUSED


def show(groups: dict[str, tuple[Command, ...]]) -> None:
    """Print the commands with a sentence each."""
    console = Console(highlight=False)
    console.print("[bold]iconotext[/bold]  Pre-train, compare, fine-tune, distil and serve multimodal BERTs.\n")
    for name, commands in groups.items():
        if commands:
            table = Table.grid(padding=(0, 2))
            table.add_column(min_width=max(map(len, COMMANDS)) + 2, no_wrap=True)
            for command in commands:
                table.add_row(f"  [cyan]{command.words}[/cyan]", command.summary)
            console.print(f"[bold]{name}[/bold]")
            console.print(table)
            console.print()
    console.print("iconotext VERB --help explains a verb and shows examples; iconotext --version names the version.")
