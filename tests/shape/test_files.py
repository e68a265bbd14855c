"""The rules that hold for every file: short, at home on any machine, documented."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE = 350
TEXT = {".py", ".md", ".toml", ".txt", ".tsv", ".csv", ".json", ".jsonl", ".yml", ".yaml", ".cfg", ".html", ".svg", ""}


def kept_files() -> Iterator[Path]:
    """Every text file of the project; not what a run, a tool or a build left beside it."""
    for top in ["src", "tests", "bench", "docs", ".ci"]:
        yield from (p for p in (ROOT / top).rglob("*") if p.is_file() and p.suffix in TEXT)
    yield from (p for p in ROOT.iterdir() if p.is_file() and p.suffix in TEXT)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_source_file_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE


def public(tree: ast.Module) -> Iterator[ast.AST]:
    """Classes and functions a reader may call, and the methods of those classes; `forward` is what its class says."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    item
                    for item in node.body
                    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
                    and not item.name.startswith("_")
                    and item.name != "forward"
                )


def states_a_protocol(node: ast.AST) -> bool:
    body = getattr(node, "body", [])
    return len(body) == 1 and isinstance(body[0], ast.Expr) and getattr(body[0].value, "value", None) is ...


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_what_is_public_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    silent = [
        f"{node.name} (line {node.lineno})"
        for node in public(tree)
        if not states_a_protocol(node) and not ast.get_docstring(node)
    ]
    if tree.body and not ast.get_docstring(tree):
        silent.append("the module")
    assert not silent, f"{named(path)} has no docstring for: {', '.join(silent)}"


def test_no_file_names_a_place_on_one_machine() -> None:
    place = re.compile(r"(?:^|[^a-z])/(?:work|root|home|opt|Users)/", re.MULTILINE)
    found = [named(path) for path in kept_files() if place.search(path.read_text("utf-8"))]
    assert not found


def test_constraints_are_names_with_versions() -> None:
    line = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*==[0-9][A-Za-z0-9.]*")
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert [entry for entry in lines if not line.fullmatch(entry)] == []
    assert lines == sorted(lines)


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["world"], *extras["track"], *extras["dev"]]
    names = {re.split(r"[\[<>=]", entry)[0] for entry in wanted} - {project["name"]}
    pinned = {entry.split("==")[0] for entry in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    assert names <= pinned


def test_the_changelog_tells_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f'__version__ = "{version}"' in (ROOT / "src/iconotext/__init__.py").read_text("utf-8")
