"""The pages of systems: data alone, short, apart from each other; and what is written about them is what they say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from iconotext.explain.systems.page import between, files
from iconotext.recipes.systems import MEASURED
from iconotext.systems import SYSTEMS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "src/iconotext/systems").glob("[a-z]*.py"))
LONGEST_PAGE = 60
EVERY = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
STALE = "written from other pages: run `make pages`"


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that a file names in an import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


@EVERY
def test_a_page_imports_no_other_page(path: Path) -> None:
    names = list(imported(ast.parse(path.read_text("utf-8"))))
    assert not [name for name in names if name.startswith((".", "iconotext.systems"))]


@EVERY
def test_a_page_has_no_torch_no_class_and_no_function(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert not [name for name in imported(tree) if name.split(".")[0] in ("torch", "torchvision", "numpy")]
    made = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.For, ast.While)
    assert not [node for node in ast.walk(tree) if isinstance(node, made)]


@EVERY
def test_a_page_is_short(path: Path) -> None:
    """Docstring, imports and blank lines count."""
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) < LONGEST_PAGE
    assert max(map(len, lines)) <= 128


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return files(SYSTEMS)


def test_docs_have_a_page_a_system_and_no_other(written: dict[str, str]) -> None:
    assert {path.name for path in (ROOT / "docs/systems").glob("*.md")} - {MEASURED} == written.keys(), STALE


@pytest.mark.parametrize("name", ["README", *SYSTEMS])
def test_docs_say_what_the_pages_say(written: dict[str, str], name: str) -> None:
    assert (ROOT / "docs/systems" / f"{name}.md").read_text("utf-8") == written[f"{name}.md"], STALE


def test_the_readme_lists_the_systems_as_they_are() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert between(text, list(SYSTEMS.values()), "docs/systems/") == text, STALE
