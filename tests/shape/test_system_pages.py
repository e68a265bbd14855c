"""The pages of systems: data alone, short, apart from each other; and what is written about them is what they say."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from iconotext.explain.systems.page import between, files
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


def code_lines(text: str) -> int:
    """Lines with code: no blank ones, no comments, no imports, no docstring."""
    tree = ast.parse(text)
    skipped: set[int] = set()
    for number, node in enumerate(tree.body):
        docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if docstring or isinstance(node, ast.Import | ast.ImportFrom):
            skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in quiet:
            found |= set(range(token.start[0], token.end[0] + 1))
    return len(found - skipped)


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
    assert code_lines(path.read_text("utf-8")) < LONGEST_PAGE


def test_lines_are_counted_without_imports_and_comments() -> None:
    text = '"""Doc.\n\nMore."""\n\nfrom a import (\n    b,\n)\n\n# why\nX = f(\n    1,\n)\nY = 2  # two\n'
    assert code_lines(text) == 4


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return files(SYSTEMS)


def test_docs_have_a_page_a_system_and_no_other(written: dict[str, str]) -> None:
    assert {path.name for path in (ROOT / "docs/systems").glob("*.md")} == written.keys(), STALE


@pytest.mark.parametrize("name", ["README", *SYSTEMS])
def test_docs_say_what_the_pages_say(written: dict[str, str], name: str) -> None:
    assert (ROOT / "docs/systems" / f"{name}.md").read_text("utf-8") == written[f"{name}.md"], STALE


def test_the_readme_lists_the_systems_as_they_are() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert between(text, list(SYSTEMS.values()), "docs/systems/") == text, STALE
