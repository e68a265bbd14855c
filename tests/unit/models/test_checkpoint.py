"""Models on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from samples import CLASSES, FEATURES, PAGES, VOCAB, batch_of, model_of, shake

from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.core.fingerprint import Fingerprint
from iconotext.models.checkpoint import Features, load, save
from iconotext.models.pretrain import PretrainModel
from iconotext.models.task import TaskKind, TaskModel

MADE = Features(
    Fingerprint("world", "ab", "fc6", "192", "rgb", "10 to 36", "float16", FEATURES, CLASSES, 2), ("a", "b"), ("red",)
)
EVERY = pytest.mark.parametrize("name", PAGES)


def saved(path: Path, model: PretrainModel | TaskModel) -> Path:
    save(path, model, '{"tokens": "中"}', MADE, {"seed": 3})
    return path


@EVERY
def test_a_pre_trained_model_comes_back(name: str, tmp_path: Path) -> None:
    model = model_of(PAGES[name])
    found = load(saved(tmp_path / "new" / "model", model))
    assert isinstance(found.model, PretrainModel)
    assert not found.model.training
    assert found.model.system == PAGES[name]
    assert found.model.shape == model.shape
    assert found.features == MADE
    assert found.run["seed"] == 3
    assert {"iconotext", "torch", "python"} <= set(found.run["versions"])
    assert found.tokenizer.read_text("utf-8") == '{"tokens": "中"}'
    batch = batch_of(PAGES[name], [3, 2], [2, 4])
    for mine, theirs in zip(model.encode(batch)[0].text, found.model.encode(batch)[0].text):
        assert torch.equal(mine, theirs)
    assert all(torch.equal(tensor, found.model.state_dict()[key]) for key, tensor in model.state_dict().items())


@EVERY
@pytest.mark.parametrize(
    "task", [TaskKind("vqa", "answer", ("yes", "no", "两")), TaskKind("retrieval", "score")], ids=str
)
def test_a_task_model_comes_back(name: str, task: TaskKind, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = TaskModel(PAGES[name], task, VOCAB.size, FEATURES).eval()
    shake(model)
    found = load(saved(tmp_path, model))
    assert isinstance(found.model, TaskModel)
    assert found.model.task == task
    batch = batch_of(PAGES[name], [3, 2, 2], [2, 4, 0])
    assert found.model(batch).shape == (3, max(1, len(task.answers)))
    torch.testing.assert_close(found.model(batch), model(batch), rtol=0, atol=1e-6)


def test_nothing_but_the_named_files_is_written(tmp_path: Path) -> None:
    saved(saved(tmp_path, model_of(PAGES["uniter"])), model_of(PAGES["uniter"], seed=1))
    assert {path.name for path in tmp_path.iterdir()} == {
        *("config.json", "features.json", "model.safetensors", "run.json", "tokenizer.json")
    }


def test_no_model_names_the_commands_that_make_one(tmp_path: Path) -> None:
    with pytest.raises(MissingPiece, match="`iconotext pretrain` or `iconotext finetune`"):
        load(tmp_path)


def test_weights_of_another_config_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, model_of(PAGES["uniter"]))
    weights = load_file(tmp_path / "model.safetensors")
    weights["stranger"] = weights.pop("trunk.text.norm.bias")
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=r"missing \['trunk.text.norm.bias'\], unexpected \['stranger'\]\."):
        load(tmp_path)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, model_of(PAGES["uniter"]))
    config = json.loads((tmp_path / "config.json").read_text())
    config["system"]["hidden"] = config["system"]["region_hidden"] = 32
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=r"of another shape \['trunk.encoder.sublayers.1.up.text.weight'"):
        load(tmp_path)


def test_cut_weights_are_refused(tmp_path: Path) -> None:
    weights = saved(tmp_path, model_of(PAGES["uniter"])) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model.safetensors is damaged"):
        load(tmp_path)


def test_a_config_makes_only_known_types(tmp_path: Path) -> None:
    saved(tmp_path, model_of(PAGES["uniter"]))
    config = json.loads((tmp_path / "config.json").read_text())
    config["system"]["mix"] = {"type": "Popen", "args": "ls"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="unknown type 'Popen'"):
        load(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    saved(tmp_path, model_of(PAGES["uniter"]))
    (tmp_path / "features.json").write_text('{"fingerprint": ')
    with pytest.raises(DataError, match=r"features.json cannot be read"):
        load(tmp_path)
