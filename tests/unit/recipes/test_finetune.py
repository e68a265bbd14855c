from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from samples import tiny
from toy_data import PRINT, SPLITS, make_data, make_store, make_words, save_pretrained

from iconotext.core.errors import ConfigError, FingerprintError, MissingPiece
from iconotext.models.checkpoint import load
from iconotext.models.task import TaskModel
from iconotext.recipes import finetune
from iconotext.recipes.finetune import FinetuneOptions, config_of, model_of, run
from iconotext.systems import SYSTEMS
from iconotext.tasks.retrieval import Retrieval, RetrievalOptions, matching
from iconotext.tasks.vqa import VQA, VqaOptions
from iconotext.train.log import read
from iconotext.train.optim import adamw, rule_for, trainable

NAMES = ("uniter", "vilbert")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its regions, and a model of each system with random weights."""
    folder = tmp_path_factory.mktemp("finetune")
    data, store = make_data(folder / "data"), make_store(folder / "store")
    for name in NAMES:
        page = tiny(SYSTEMS[name], norm="pre", init=0.0, dropout=0.0, attention_dropout=0.0)
        save_pretrained(folder / name, page, make_words(data), store)
    return folder


def common(folder: Path, out: Path, name: str = "uniter", **changes: Any) -> dict[str, Any]:
    given = {"data": folder / "data", "store": folder / "store", "start": folder / name, "out": out}
    return {**given, "steps": 3, "batch": 8, "learning_rate": 1e-3, "workers": 0, "precision": "fp32", **changes}


def losses(out: Path, name: str) -> list[float]:
    return [line["losses"][name] for line in read(out / "log.jsonl") if line["kind"] == "step"]  # type: ignore[index]


@pytest.mark.parametrize("name", NAMES)
def test_questions(folder: Path, tmp_path: Path, name: str) -> None:
    options = FinetuneOptions(
        VqaOptions(1), **common(folder, tmp_path, name, steps=24, log_every=6, learning_rate=5e-3)
    )
    result = run(options)
    assert result.steps == 24
    found = losses(tmp_path, "vqa")
    assert found[-1] < found[0]
    saved = load(tmp_path)
    assert isinstance(saved.model, TaskModel)
    assert set(saved.model.task.answers) == {"yes", "no", "red", "green", "blue"}
    assert saved.features.fingerprint == PRINT
    assert (saved.run["command"], saved.run["task"], saved.run["blind"]) == ("finetune", "vqa", None)
    assert saved.run["coverage"] == {"answers": 5, "out_of_vocabulary": 0.0, "upper_bound": 1.0}
    looked = [line["accuracy"] for line in read(tmp_path / "log.jsonl") if line["kind"] == "evaluate"]
    assert looked == [result.evaluated["accuracy"]]
    assert 0 <= result.evaluated["accuracy"] <= 1


@pytest.mark.parametrize(("name", "loss", "hard"), [("uniter", "triplet", 0), ("vilbert", "softmax", 1)])
def test_retrieval(folder: Path, tmp_path: Path, name: str, loss: Any, hard: int) -> None:
    given = common(folder, tmp_path, name, steps=30, log_every=10, learning_rate=5e-3, evaluate_on=0)
    run(FinetuneOptions(RetrievalOptions(loss, hard=hard), **given))
    found = losses(tmp_path, "retrieval")
    assert found[-1] < found[0]
    saved = load(tmp_path)
    assert isinstance(saved.model, TaskModel)
    assert saved.model.task == Retrieval().kind


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_with_what_was_learned_unless_from_scratch(folder: Path, tmp_path: Path, name: str) -> None:
    saved = load(folder / name)
    options = FinetuneOptions(RetrievalOptions(), **common(folder, tmp_path, name, seed=1))
    warm = model_of(options, saved, Retrieval())
    head = matching(saved.model)  # type: ignore[arg-type]
    assert head is not None
    assert all(torch.equal(a, b) for a, b in zip(warm.trunk.parameters(), saved.model.trunk.parameters(), strict=True))
    assert torch.equal(warm.head.weight, head.weight)
    fresh = model_of(dataclasses.replace(options, scratch=True), saved, Retrieval())
    assert fresh.system == warm.system
    assert not any(torch.equal(a, b) for a, b in zip(fresh.trunk.parameters(), warm.trunk.parameters()) if a.dim() > 1)
    again = model_of(dataclasses.replace(options, scratch=True), saved, Retrieval())
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), again.parameters(), strict=True))


def test_a_model_of_the_same_task_goes_on_with_its_head(folder: Path, tmp_path: Path) -> None:
    run(FinetuneOptions(VqaOptions(1), **common(folder, tmp_path)))
    saved = load(tmp_path)
    assert isinstance(saved.model, TaskModel)
    options = FinetuneOptions(VqaOptions(), **common(folder, tmp_path))
    same = model_of(options, saved, VQA(saved.model.task.answers))
    other = model_of(options, saved, VQA(("yes", "no")))
    assert torch.equal(same.head.layers[1].weight, saved.model.head.layers[1].weight)
    assert other.head.layers[1].weight.shape[0] == 2


def test_a_new_head_begins_at_the_shares_of_the_answers(folder: Path, tmp_path: Path) -> None:
    options, saved = FinetuneOptions(VqaOptions(), **common(folder, tmp_path)), load(folder / "vilbert")
    head = model_of(options, saved, VQA(("yes", "no")), torch.tensor([0.9, 0.25])).head
    assert head.layers[-1].bias.sigmoid().tolist() == pytest.approx([0.9, 0.25], abs=1e-3)


class Stopped(BaseException):
    """The process ends."""


def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"steps": 6, "save_every": 2, "log_every": 1}
    run(FinetuneOptions(RetrievalOptions(), **common(folder, tmp_path / "whole", **given)))
    loss_of, calls = finetune.losses_of, []

    def stopping(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 3:
            raise Stopped
        return loss_of(*arguments)

    monkeypatch.setattr(finetune, "losses_of", stopping)
    with pytest.raises(Stopped):
        run(FinetuneOptions(RetrievalOptions(), **common(folder, tmp_path / "parts", **given)))
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    monkeypatch.setattr(finetune, "losses_of", loss_of)
    run(FinetuneOptions(RetrievalOptions(), **common(folder, tmp_path / "parts", **given, workers=1)))
    assert losses(tmp_path / "parts", "retrieval") == losses(tmp_path / "whole", "retrieval")
    whole, parts = (load(tmp_path / name).model.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_blind_model_does_not_look(folder: Path, tmp_path: Path) -> None:
    run(FinetuneOptions(VqaOptions(1), **common(folder, tmp_path, "vilbert", steps=2), blind="text"))
    saved = load(tmp_path)
    assert saved.run["blind"] == "text"
    before = load(folder / "vilbert").model.trunk
    assert isinstance(saved.model, TaskModel)
    rate = 1e-3  # more than decay alone moves a weight in two steps
    moved = {
        name: bool(((a - b).abs() > 0.5 * rate).any())
        for (name, a), b in zip(before.named_parameters(), saved.model.trunk.parameters(), strict=True)
    }
    assert moved["pooler.text.weight"]
    assert moved["text.tables.word.weight"]
    assert not any(moved[name] for name in moved if name.startswith(("region.", "pooler.region.")))


def test_regions_made_otherwise_are_refused(folder: Path, tmp_path: Path) -> None:
    other = dataclasses.replace(PRINT, resize="another")
    make_store(tmp_path / "store", SPLITS, other)
    with pytest.raises(FingerprintError, match="resize"):
        run(FinetuneOptions(VqaOptions(), **{**common(folder, tmp_path / "out"), "store": tmp_path / "store"}))


def test_a_mismatch_that_is_allowed_is_noted(folder: Path, tmp_path: Path) -> None:
    other = dataclasses.replace(PRINT, resize="another")
    make_store(tmp_path / "store", SPLITS, other)
    given = {**common(folder, tmp_path / "out"), "store": tmp_path / "store", "steps": 1}
    run(FinetuneOptions(VqaOptions(), allow_feature_mismatch=True, **given))
    saved = load(tmp_path / "out")
    assert saved.run["feature_mismatch"] == {"resize": [PRINT.resize, "another"]}
    assert saved.run["options"]["allow_feature_mismatch"] is True
    assert saved.features.fingerprint == other


def test_no_model_to_begin_with(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingPiece, match="iconotext pretrain"):
        run(FinetuneOptions(VqaOptions(), **{**common(folder, tmp_path / "out"), "start": tmp_path}))


def test_a_batch_that_cannot_be_cut_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiple of 3"):
        run(FinetuneOptions(VqaOptions(1), **common(folder, tmp_path, accumulate=3)))


def test_what_is_not_said_comes_from_the_page(folder: Path, tmp_path: Path) -> None:
    page = SYSTEMS["vilbert"]
    config = config_of(FinetuneOptions(VqaOptions(), **common(folder, tmp_path, learning_rate=None, steps=100)), page)
    assert (config.learning_rate, config.warmup, config.betas) == (1e-4, 10, page.recipe.betas)
    said = config_of(FinetuneOptions(VqaOptions(), **common(folder, tmp_path, warmup=7, schedule="constant")), page)
    assert (said.learning_rate, said.warmup, said.schedule) == (1e-3, 3, "constant")


@pytest.mark.parametrize("name", NAMES)
def test_the_head_has_its_own_rate_and_norms_and_biases_no_decay(folder: Path, tmp_path: Path, name: str) -> None:
    options = FinetuneOptions(VqaOptions(), **common(folder, tmp_path), head_rate=10.0)
    model = model_of(options, load(folder / name), VQA(("yes", "no")))
    config = config_of(options, model.system)
    for item in trainable(model):
        rule = rule_for(item.label, config.groups)
        assert rule.rate == (10.0 if item.name.startswith("head.") else 1.0), item.label
        plain = item.name.endswith("bias") or "Norm:" in item.label
        assert (rule.decay == 0.0) is plain, item.label
    assert len(adamw(model, config).param_groups) == 4


def test_options_are_kept(folder: Path, tmp_path: Path) -> None:
    run(FinetuneOptions(VqaOptions(1), **common(folder, tmp_path, steps=1, evaluate_on=0)))
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["options"]["start"] == str(folder / "uniter")
    assert about["examples"] == 2 * SPLITS["train"]
    assert not [line for line in read(tmp_path / "log.jsonl") if line["kind"] == "evaluate"]
