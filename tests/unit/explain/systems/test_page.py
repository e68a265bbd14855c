"""Pages as Markdown."""

from __future__ import annotations

import pytest

from iconotext.explain.systems.page import BEGIN, COLUMNS, END, between, files, markdown, row, table
from iconotext.systems import SYSTEMS
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT

PAGES = (UNITER, VILBERT)


def test_a_page_has_its_drawing_numbers_and_departures() -> None:
    text = markdown(VILBERT, PAGES)
    assert text.startswith("# ViLBERT\n\nLu et al.")
    assert "6 x  ■ reads region, feed-forward" in text
    assert "| schedule | 6 text + 6 (co + twin) |" in text
    assert all(f"- {departure}" in text for departure in VILBERT.departures)
    assert "- pooled: product (width 1,024)" in text
    assert "## Size tiny" in text


def test_the_table_has_a_linked_row_a_system() -> None:
    lines = table(PAGES, "docs/systems/").splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| [UNITER](docs/systems/uniter.md) | single-stream | 12 joint | box7 |")
    assert all(line.count("|") == len(COLUMNS) + 1 for line in lines)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_row_is_whole(name: str) -> None:
    assert all(row(SYSTEMS[name]))


def test_the_table_stands_between_its_marks() -> None:
    text = between(f"before\n{BEGIN}\nold\n{END}\nafter\n", PAGES, "")
    assert text.startswith(f"before\n{BEGIN}\n| system |")
    assert text.endswith(f"|\n{END}\nafter\n")
    assert between(text, PAGES, "") == text
    with pytest.raises(ValueError, match="unpack"):
        between("no marks", PAGES, "")


def test_a_file_for_each_system_and_one_for_all() -> None:
    assert set(files({page.name: page for page in PAGES})) == {"README.md", "uniter.md", "vilbert.md"}
