"""What `iconotext systems` prints and writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from iconotext.core.errors import ConfigError
from iconotext.explain.systems.page import BEGIN, END
from iconotext.recipes import systems
from iconotext.recipes.systems import DiffOptions, PagesOptions, SystemsOptions, diff, run, write
from iconotext.systems import SYSTEMS


def test_the_list_has_every_system(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    run(SystemsOptions())
    text = capsys.readouterr().out
    assert all(page.name in text for page in SYSTEMS.values())


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_page_in_words(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(SystemsOptions(name, "tiny"))
    text = capsys.readouterr().out
    assert SYSTEMS[name].title in text
    assert "■ reads" in text
    assert "GFLOPs a pair" in text
    assert text.count("\n- ") >= len(SYSTEMS[name].at("tiny").departures)


def test_two_systems_beside_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    diff(DiffOptions("uniter", "vilbert"))
    assert "only ViLBERT: product (width 1,024)" in capsys.readouterr().out
    diff(DiffOptions("uniter", "uniter"))
    assert "compute and train alike" in capsys.readouterr().out


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    for call in (lambda: run(SystemsOptions("unitre")), lambda: diff(DiffOptions("uniter", "unitre"))):
        with pytest.raises(ConfigError, match=r"There is no system 'unitre'; there are: .*uniter"):
            call()


def test_pages_are_written_and_pages_of_systems_that_are_gone_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systems, "SYSTEMS", {name: SYSTEMS[name] for name in ("uniter", "bert")})
    with pytest.raises(ConfigError, match="no checkout"):
        write(PagesOptions(tmp_path))
    (tmp_path / "README.md").write_text(f"# Title\n{BEGIN}\n{END}\n")
    (tmp_path / "docs" / "systems").mkdir(parents=True)
    for name in ("gone.md", "speed.md"):
        (tmp_path / "docs" / "systems" / name).write_text("old")
    write(PagesOptions(tmp_path))
    written = {path.name for path in (tmp_path / "docs" / "systems").iterdir()}
    assert written == {"README.md", "uniter.md", "bert.md", "speed.md"}
    assert "(docs/systems/uniter.md)" in (tmp_path / "README.md").read_text()
