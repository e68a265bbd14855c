from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_data import PRINT, make_data, make_store

from iconotext.core.errors import ConfigError, MissingPiece
from iconotext.data.records import SCHEMAS
from iconotext.models.checkpoint import load
from iconotext.models.task import TaskModel
from iconotext.recipes.beginning import WRITTEN, Beginning, written
from iconotext.recipes.finetune import FinetuneOptions, run
from iconotext.tasks.vqa import VqaOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set and its regions; no model."""
    folder = tmp_path_factory.mktemp("beginning")
    make_data(folder / "data")
    make_store(folder / "store")
    return folder


def options(folder: Path, out: Path, **changes: Any) -> FinetuneOptions[VqaOptions]:
    given = {"data": folder / "data", "store": folder / "store", "out": out, "system": "uniter", "steps": 4, "batch": 8}
    return FinetuneOptions(VqaOptions(1), **{**given, "workers": 0, "precision": "fp32", **changes})


def test_a_system_in_place_of_a_run(folder: Path, tmp_path: Path) -> None:
    run(options(folder, tmp_path / "a"))
    saved = load(tmp_path / "a")
    assert isinstance(saved.model, TaskModel)
    assert (saved.model.system.name, saved.model.system.width) == ("uniter", 128)
    assert saved.features.fingerprint == PRINT
    assert saved.run["options"]["scratch"] is True
    # The words are those of the questions, and a model made so is one to go on with.
    assert all(word in saved.tokenizer.read_text() for word in ("colour", "tree", "what"))
    run(options(folder, tmp_path / "b", system="", start=tmp_path / "a"))
    assert load(tmp_path / "b").run["options"]["scratch"] is False


def test_a_tokenizer_of_ones_own(folder: Path, tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "colour", "is", "the", "dog"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    run(options(folder, tmp_path / "a", tokenizer=tmp_path / "vocab.txt"))
    assert load(tmp_path / "a").model.shape["vocabulary"] == len(words)


def test_what_is_not_named_or_named_twice(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither is there"):
        run(options(folder, tmp_path, system=""))
    with pytest.raises(ConfigError, match="not both"):
        run(options(folder, tmp_path, start=tmp_path))
    with pytest.raises(ConfigError, match=r"the words of .* are its own"):
        Beginning(tmp_path, "", "tiny", tmp_path / "vocab.txt", 8000)
    with pytest.raises(ConfigError, match="no system 'nobody'"):
        run(options(folder, tmp_path, system="nobody"))
    with pytest.raises(MissingPiece, match="holds no model"):
        run(options(folder, tmp_path, system="", start=tmp_path))


def test_all_that_is_written_in_a_data_set_can_become_words(folder: Path) -> None:
    data = make_data(folder / "data")
    found = list(written(data, "train"))
    assert "a red dog" in " ".join(found)
    assert any(text.startswith("what colour is") for text in found)
    assert not list(written(data, "train", language="zh"))
    # A table whose texts a model is trained on has to be among those; minimal pairs are for measuring alone.
    read = {name for name, schema in SCHEMAS.items() if "language" in schema.names} - {"minimal_pairs"}
    assert read == set(WRITTEN)
