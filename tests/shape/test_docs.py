"""Pages do not go stale: links lead somewhere, files exist, and every command line is one that the program understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from iconotext.cli.main import COMMANDS, find, read

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?:sh|bash|console|text)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def command_lines() -> list[tuple[str, str]]:
    """(where it stands, what follows the word iconotext): lines of shell blocks, commands in sentences, examples of a help."""
    lines = [(f"help of {c.words}", example) for c in COMMANDS.values() for example in c.examples]
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in [*FENCE.findall(text), *re.findall(r"`(iconotext [^`\n]+)`", text)]:
            lines += [(named(page), line) for line in block.replace("\\\n", " ").splitlines()]
    found = [(where, re.match(r"(?:torchrun .* -m )?iconotext (.*)", line.strip())) for where, line in lines]
    return sorted({(where, match[1]) for where, match in found if match})


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    links = {target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target}
    gone = sorted(target for target in links - {""} if not (page.parent / target).exists())
    paths = set(re.findall(r"`((?:src|tests|docs|bench|\.ci)/[\w./-]+)`", text))
    gone += sorted(path for path in paths if not (ROOT / path).exists())
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named_targets = set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))
    assert named_targets <= targets


@pytest.mark.parametrize(("where", "line"), command_lines())
def test_a_command_line_is_understood(where: str, line: str) -> None:
    arguments = shlex.split(line, comments=True)
    if arguments[0].startswith("-") or arguments[0] == "VERB":
        return
    command = find(arguments)
    assert command, f"{where}: there is no such command: iconotext {line}"
    flags = arguments[len(command.words.split()) :]
    if flags and "--help" not in flags:
        read(command, flags)
