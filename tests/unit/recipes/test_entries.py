"""The tasks of a run, as a user names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from iconotext.core.errors import ConfigError
from iconotext.recipes.entries import Entry, entries_of, tokens_of
from iconotext.systems.twelve_in_one import TWELVE_IN_ONE
from iconotext.systems.uniter import UNITER
from iconotext.tasks.expressions import ExpressionOptions
from iconotext.tasks.retrieval import RetrievalOptions
from iconotext.tasks.vqa import VqaOptions

FILE = """
[vqa]
batch = 128
weight = 2
min_count = 9

["refcoco+"]
task = "expressions"
data = "data/refcoco+"
store = "data/refcoco-regions"
loss = "softmax"
token = 10

[retrieval]
language = "zh"
hard = 2
"""


def entries(*tasks: str) -> list[Entry]:
    return entries_of(tasks, Path("data/world"), Path("data/regions"), 64, "train", "en")


def written(folder: Path, text: str) -> str:
    (folder / "tasks.toml").write_text(text, "utf-8")
    return str(folder / "tasks.toml")


def test_names() -> None:
    common = (Path("data/world"), Path("data/regions"), 64, "train", "en")
    assert entries("vqa", "expressions") == [
        Entry("vqa", "vqa", VqaOptions(), *common),
        Entry("expressions", "expressions", ExpressionOptions(), *common),
    ]


def test_a_file(tmp_path: Path) -> None:
    vqa, refer, find = entries(written(tmp_path, FILE))
    world = (Path("data/world"), Path("data/regions"))
    assert vqa == Entry("vqa", "vqa", VqaOptions(9), *world, 128, "train", "en", weight=2.0)
    places = (Path("data/refcoco+"), Path("data/refcoco-regions"))
    assert refer == Entry("refcoco+", "expressions", ExpressionOptions("softmax"), *places, 64, "train", "en", token=10)
    assert find == Entry("retrieval", "retrieval", RetrievalOptions(hard=2), *world, 64, "train", "zh")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[chat]", "no task 'chat'; there are: vqa, "),
        ("[mine]\ntask = 'chat'", "no task 'chat'"),
        ("[vqa]\nmincount = 3", "vqa has no setting 'mincount'; it has: batch, data, .*min_count"),
        ("[vqa]\nmin_count = 'many'", "min_count = 'many' is no value"),
        ("[vqa]\nmin_count = true", "min_count = True is no value"),
        ("[expressions]\nloss = 'hinge'", "loss = 'hinge' is no value"),
        ("[vqa]\nbatch = 1.5", "batch = 1.5 is no value"),
        ("vqa = 3", "is in no table"),
        ("[vqa", "cannot be read as TOML"),
        ("", "Name tasks"),
    ],
)
def test_a_file_that_says_what_nobody_knows(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        entries(written(tmp_path, text))


@pytest.mark.parametrize("tasks", [(), ("vqa", "vqa"), ("tasks.toml", "vqa"), ("gone.toml",)])
def test_tasks_that_cannot_be(tasks: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        entries(*tasks)


def test_tokens(tmp_path: Path) -> None:
    """What the file says, what the page says, and for others a number that nobody has."""
    found = entries(written(tmp_path, FILE + "[shop]\ntask = 'vqa'\n[expressions]\n[relevance]\n"))
    numbers = tokens_of(TWELVE_IN_ONE, found)
    known = [numbers[name] for name in ("vqa", "refcoco+", "retrieval", "expressions")]
    assert known == [1, 10, 8, 9]
    assert len(set(numbers.values())) == 6
    assert tokens_of(UNITER, found) == {}
    with pytest.raises(ConfigError, match="tokens 0 to 19"):
        tokens_of(TWELVE_IN_ONE, entries(written(tmp_path, "[vqa]\ntoken = 20")))
    many = entries(written(tmp_path, "".join(f"[t{i}]\ntask = 'vqa'\n" for i in range(20))))
    assert tokens_of(TWELVE_IN_ONE, many)["t19"] == 1
