from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_folder as made

from iconotext.core.errors import ConfigError, DataError
from iconotext.data.records import DataSet
from iconotext.recipes.report import ReportOptions, run

VOID = {"meta", "img", "br", "hr"}
ORDER = ["claims", "tasks", "training", "words", "regions", "questions", "queries", "settings"]


class Page(HTMLParser):
    """Reads a page as a browser does, and insists that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return made.write_data(tmp_path_factory.mktemp("data") / "boxes")


@pytest.fixture(scope="module")
def folder(data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = made.write_store(tmp_path_factory.mktemp("store") / "regions", data)
    return made.write_runs(tmp_path_factory.mktemp("demo"), data, store)


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return run(ReportOptions(folder)).read_text("utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_is_whole_and_in_order(page: Page) -> None:
    assert [attributes["id"] for attributes in page.all("section")] == ORDER
    links = {attributes["href"] for attributes in page.all("a")}
    assert links == {f"#{ident}" for ident in ORDER}
    assert page.all("html") == [{"lang": "en"}]
    assert "iconotext measure" not in page.text


def test_it_needs_nothing_else(text: str, page: Page) -> None:
    assert page.all("img")
    assert all(attributes["src"].startswith("data:image/jpeg;base64,") for attributes in page.all("img"))
    assert all(attributes["alt"] for attributes in page.all("img"))
    assert not page.all("link")
    assert not page.all("script")
    assert not page.all("iframe")
    for name, attributes in page.found:
        assert not {"srcset", "poster", "action"} & set(attributes), name
        assert not any("//" in value for key, value in attributes.items() if key in ("href", "style")), name
    assert not re.search(r"url\(|@import", text)


def test_every_claim_is_there(folder: Path, page: Page) -> None:
    figures = json.loads((folder / "report.json").read_text("utf-8"))
    assert len(figures["claims"]) == 10
    for claim in figures["claims"]:
        assert claim["name"] in page.text
        assert f"{100 * claim['value']:.1f}" in page.text
    assert f"{figures['claims_met']} of {figures['claims_judged']} claims met" in page.text


def test_what_the_data_says_is_escaped(page: Page) -> None:
    assert "is there a <b>book</b> in the picture" in page.text
    assert "Boxes & <pictures>" in page.text
    assert not page.all("pictures")


def test_the_pictures_keep_their_licence(page: Page) -> None:
    assert "Pictures: CC BY-SA 4.0, https://example.org." in page.text


def test_light_dark_phone_and_paper(text: str) -> None:
    for rule in ("prefers-color-scheme: dark", "@media print", "max-width: 44rem", "CJK"):
        assert rule in text


def test_the_same_runs_give_the_same_bytes(folder: Path, text: str) -> None:
    figures = (folder / "report.json").read_bytes()
    assert run(ReportOptions(folder)).read_text("utf-8") == text
    assert (folder / "report.json").read_bytes() == figures


def test_examples_are_limited_and_wrong_answers_kept(folder: Path) -> None:
    page = Page(run(ReportOptions(folder, examples=2)).read_text("utf-8"))
    assert len([a for a in page.all("article") if a.get("class") == "masked"]) == 2
    assert "Answered right" in page.text
    assert "Answered wrong" in page.text


def test_what_is_missing_is_named_with_its_command(tmp_path: Path) -> None:
    made.write_run(tmp_path / "run", {"command": "pretrain"}, [], {})
    page = Page(run(ReportOptions(tmp_path / "run")).read_text("utf-8"))
    assert [attributes["id"] for attributes in page.all("section")] == ["settings", "missing"]
    for command in ("iconotext measure", "iconotext evaluate", "iconotext pretrain", "iconotext finetune vqa"):
        assert command in page.text


def test_a_run_that_goes_on_can_be_looked_at(tmp_path: Path) -> None:
    line = {"kind": "step", "step": 10, "losses": {"mlm": 5.1, "itm": "nan"}, "learning_rate": 0.1, "seconds": 2.0}
    (tmp_path / "log.jsonl").write_text(json.dumps(line) + '\n{"kind": "st', "utf-8")
    page = Page(run(ReportOptions(tmp_path)).read_text("utf-8"))
    assert "10 steps" in page.text
    assert "mlm" in page.text


def test_pictures_that_moved_leave_frames(folder: Path, data: DataSet, tmp_path: Path, capsys) -> None:
    measures = json.loads((folder / "pretrain" / "measures.json").read_text("utf-8"))
    made.write_json(tmp_path / "measures.json", {**measures, "data": "gone", "store": "gone"})
    page = Page(run(ReportOptions(tmp_path)).read_text("utf-8"))
    assert not page.all("img")
    assert "is not here" in page.text
    assert "--data" in capsys.readouterr().out
    page = Page(run(ReportOptions(tmp_path, data=data.path)).read_text("utf-8"))
    assert page.all("img")


def test_what_cannot_be_done_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="iconotext pretrain"):
        run(ReportOptions(tmp_path))
    with pytest.raises(DataError, match="gone"):
        run(ReportOptions(folder, data=tmp_path / "gone"))
    with pytest.raises(ConfigError, match="at least 1"):
        run(ReportOptions(folder, examples=0))
