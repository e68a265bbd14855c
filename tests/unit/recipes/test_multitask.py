"""Several tasks in one run."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from samples import tiny
from toy_data import SPLITS, make_data, make_store, make_words, save_pretrained

from iconotext.core.errors import ConfigError, MissingPiece
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.store import RegionStore
from iconotext.models.checkpoint import load
from iconotext.models.multitask import MultiTaskModel, token_of
from iconotext.models.task import TaskModel
from iconotext.recipes import evaluate, finetune, multitask, use
from iconotext.recipes.evaluate import EvaluateOptions
from iconotext.recipes.finetune import FinetuneOptions
from iconotext.recipes.multitask import Several, run
from iconotext.recipes.scoring import Scorer
from iconotext.systems import SYSTEMS
from iconotext.tasks.expressions import ExpressionOptions
from iconotext.tasks.vqa import VqaOptions
from iconotext.train.log import read

THREE = "[vqa]\nmin_count = 1\n[refcoco]\ntask = 'expressions'\nbatch = 16\n[statements]\nweight = 0.5\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its regions, a model with random weights, and a run of three tasks."""
    folder = tmp_path_factory.mktemp("multitask")
    data, store = make_data(folder / "data"), make_store(folder / "store")
    page = tiny(SYSTEMS["vilbert"], norm="pre", init=0.0, dropout=0.1, text=SYSTEMS["12in1"].text, name="vilbert")
    save_pretrained(folder / "start", page, make_words(data), store)
    (folder / "three.toml").write_text(THREE)
    run(options(folder, folder / "run", steps=12))
    return folder


def options(folder: Path, out: Path, *tasks: str, **changes: Any) -> FinetuneOptions[Several]:
    several = Several(tasks or (str(folder / "three.toml"),), **changes.pop("several", {}))
    given: dict[str, Any] = {"data": folder / "data", "store": folder / "store", "start": folder / "start", "out": out}
    given |= {"steps": 8, "batch": 8, "learning_rate": 2e-3, "workers": 0, "precision": "fp32", "log_every": 1}
    return FinetuneOptions(several, **{**given, **changes})


def logged(out: Path, kind: str = "step") -> list[dict[str, Any]]:
    return [line for line in read(out / "log.jsonl") if line["kind"] == kind]


def same(one: Path, other: Path) -> bool:
    mine, theirs = (load(path).model.state_dict() for path in (one, other))
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_run_of_three_tasks(folder: Path) -> None:
    out = folder / "run"
    assert [list(line["losses"]) for line in logged(out)] == [["vqa"], ["refcoco"], ["statements"]] * 4
    (look,) = logged(out, "evaluate")
    names = {f"{task} {what}" for task in ("vqa", "refcoco", "statements") for what in ("accuracy", "stopped")}
    assert look.keys() == {"kind", "step", *names}
    saved = load(out)
    assert isinstance(saved.model, MultiTaskModel)
    assert [kind.name for kind in saved.model.tasks.values()] == ["vqa", "expressions", "statements"]
    numbers = [token_of(saved.model.system, name) for name in saved.model.tasks]
    assert numbers == [1, 0, 12]
    told = saved.run["tasks"]
    assert [told[name]["updates"] for name in told] == [4, 4, 4]
    assert [told[name]["batch"] for name in told] == [8, 16, 8]
    assert told["refcoco"]["examples"] == len(DataSet.open(folder / "data").table("expressions", "train"))
    assert told["vqa"]["coverage"]["answers"] == 5
    assert told["statements"]["best"] == look["statements accuracy"]
    assert (saved.run["task"], saved.run["command"]) == ("vqa, refcoco, statements", "finetune")


def test_one_task_alone_is_the_fine_tuning_for_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("[vqa]\nmin_count = 1\n")
    run(options(folder, tmp_path / "multi", str(tmp_path / "one.toml")))
    given = {
        field.name: getattr(options(folder, tmp_path), field.name) for field in dataclasses.fields(FinetuneOptions)
    }
    finetune.run(FinetuneOptions(**{**given, "task": VqaOptions(1), "out": tmp_path / "single"}))
    losses = [[line["losses"] for line in logged(tmp_path / name)] for name in ("multi", "single")]
    assert losses[0] == losses[1]
    multi, single = load(tmp_path / "multi", task="vqa").model, load(tmp_path / "single").model
    mine, theirs = multi.state_dict(), single.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


class Stopped(BaseException):
    """The process ends."""


@pytest.mark.parametrize(("sampling", "every", "workers"), [("rounds", 0, 1), ("size", 3, 0)])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampling: Any, every: int, workers: int
) -> None:
    """Between two looks, with a task at rest, which the state must know."""
    given = {"steps": 40, "save_every": 7, "evaluate_every": every, "learning_rate": 0.0, "batch": 24}
    given["several"] = {"sampling": sampling}
    run(options(folder, tmp_path / "whole", **given))
    loss_of, calls = multitask.losses_of, []

    def stopping(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) in (17, 40):
            raise Stopped
        return loss_of(*arguments)

    monkeypatch.setattr(multitask, "losses_of", stopping)
    for _ in range(2):
        with pytest.raises(Stopped):
            run(options(folder, tmp_path / "parts", **given))
    monkeypatch.setattr(multitask, "losses_of", loss_of)
    run(options(folder, tmp_path / "parts", **given, workers=workers))
    for kind in ("step", "evaluate"):
        whole, parts = (
            [{**line, **dict.fromkeys(CLOCK)} for line in logged(tmp_path / name, kind)] for name in ("whole", "parts")
        )
        assert whole == parts
    looks = logged(tmp_path / "whole", "evaluate")
    assert any(line.get(f"{task} stopped") == 1.0 for line in looks for task in ("vqa", "refcoco", "statements"))
    assert same(tmp_path / "whole", tmp_path / "parts")
    assert load(tmp_path / "whole").run["tasks"] == load(tmp_path / "parts").run["tasks"]


CLOCK = ("seconds", "rows_per_second", "tokens_per_second", "waiting", "memory_mb")


def test_what_rests_has_fewer_turns(folder: Path, tmp_path: Path) -> None:
    """Nothing is learned at rate 0, so every task stops after the third look and stays so."""
    given = {"steps": 48, "evaluate_every": 6, "learning_rate": 0.0, "evaluate_on": 4}
    run(options(folder, tmp_path / "rests", **given))
    looks = logged(tmp_path / "rests", "evaluate")
    stopped = [[line[f"{task} stopped"] for task in ("vqa", "refcoco", "statements")] for line in looks]
    assert stopped == [[0.0] * 3] * 2 + [[1.0] * 3] * 6
    run(options(folder, tmp_path / "goes", **given, several={"stop_and_go": False}))
    counts = Counter(name for line in logged(tmp_path / "goes") for name in line["losses"])
    assert set(counts.values()) == {16}
    assert not any(line["vqa stopped"] for line in logged(tmp_path / "goes", "evaluate"))


def test_micro_batches_of_a_step_are_of_one_task(folder: Path, tmp_path: Path) -> None:
    run(options(folder, tmp_path / "two", steps=6, accumulate=2, evaluate_on=0))
    assert [list(line["losses"]) for line in logged(tmp_path / "two")] == [["vqa"], ["refcoco"], ["statements"]] * 2
    assert [told["updates"] for told in load(tmp_path / "two").run["tasks"].values()] == [2, 2, 2]
    run(options(folder, tmp_path / "one", steps=6, evaluate_on=0))
    first = [next(line["losses"] for line in logged(tmp_path / name))["vqa"] for name in ("one", "two")]
    assert first[0] == pytest.approx(first[1], rel=0.3)


def test_a_single_task_and_other_tasks_go_on_from_it(folder: Path, tmp_path: Path) -> None:
    saved = load(folder / "run")
    assert isinstance(saved.model, MultiTaskModel)
    given = {"data": folder / "data", "store": folder / "store", "start": folder / "run", "batch": 8, "workers": 0}
    given |= {"steps": 1, "learning_rate": 0.0, "evaluate_on": 0}
    finetune.run(FinetuneOptions(ExpressionOptions(), out=tmp_path / "refer", **given))
    one = load(tmp_path / "refer").model
    assert isinstance(one, TaskModel)
    assert token_of(one.system, "expressions") == 0
    before = saved.model.only("refcoco").state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in one.state_dict().items())
    finetune.run(FinetuneOptions(VqaOptions(20), out=tmp_path / "fewer", start_task="refcoco", **given))
    other = load(tmp_path / "fewer").model
    assert isinstance(other, TaskModel)
    assert len(other.task.answers) < 5
    assert torch.equal(other.trunk.state_dict()["pooler.text.weight"], before["trunk.pooler.text.weight"])
    with pytest.raises(MissingPiece, match="no task 'gqa'"):
        finetune.run(FinetuneOptions(VqaOptions(), out=tmp_path / "none", start_task="gqa", **given))
    run(options(folder, tmp_path / "more", "expressions", "retrieval", **{**given, "precision": "fp32"}))
    more = load(tmp_path / "more").model
    assert isinstance(more, MultiTaskModel)
    head = more.heads["expressions"].state_dict()
    assert all(torch.equal(tensor, before[f"head.{name}"]) for name, tensor in head.items())


def test_every_task_is_evaluated_on_its_own_data(folder: Path) -> None:
    path = evaluate.run(EvaluateOptions(folder / "run"))
    found = json.loads(path.read_text())
    assert path == folder / "run" / "evaluation.json"
    assert list(found["tasks"]) == ["vqa", "refcoco", "statements"]
    for task, own in found["tasks"].items():
        assert own == json.loads((folder / "run" / task / "evaluation.json").read_text())
        assert (folder / "run" / task / "predictions.parquet").is_file()
        names = [f"{task}: {figure['name']}" for figure in own["figures"]]
        assert [f["name"] for f in found["figures"] if f["name"].startswith(f"{task}: ")] == names
    assert found["tasks"]["refcoco"]["task"] == "expressions"
    assert (folder / "run" / "vqa" / "vqa_results.json").is_file()
    alone = evaluate.run(EvaluateOptions(folder / "run", folder / "data", folder / "store", task="vqa", seed=1))
    assert alone == folder / "run" / "vqa" / "evaluation.json"
    assert json.loads(alone.read_text())["figures"][0]["value"] == found["tasks"]["vqa"]["figures"][0]["value"]
    with pytest.raises(MissingPiece, match="no task 'gqa'"):
        evaluate.run(EvaluateOptions(folder / "run", folder / "data", folder / "store", task="gqa"))


def test_in_use_each_call_finds_its_task(folder: Path) -> None:
    model = use.load(folder / "run")
    tuned = {task: model._tuned("call", task) for task in ("expressions", "statements")}
    assert {task: (one.task.name, model.seats(one).task) for task, one in tuned.items()} == {
        "expressions": ("expressions", 0),
        "statements": ("statements", 12),
    }
    with pytest.raises(MissingPiece, match="fine-tuned for vqa, refcoco, statements and cannot rank"):
        model._tuned("rank", "relevance")
    with pytest.raises(MissingPiece, match="fine-tuned for statements and cannot ground"):
        use.load(folder / "run", task="statements")._tuned("ground", "expressions")
    with pytest.raises(MissingPiece, match="does several tasks"):
        Scorer.open(folder / "run", RegionStore.open(folder / "store"), torch.device("cpu"))


def test_pictures_of_other_tasks_tests_are_left_out(folder: Path, tmp_path: Path) -> None:
    """12-in-1's clean setting: what one data set tests on is trained on for no other task."""
    writer = DataSetWriter(tmp_path / "other", "other", {"command": "toy"}, ["en"])
    for split, ids in {"train": ["train-0"], "test": ["train-3", "train-5"]}.items():
        pictures = [{"bytes": b"", "path": f"{name}.jpg"} for name in ids]
        columns = {"image_id": ids, "image": pictures, "width": [256] * len(ids), "height": [192] * len(ids)}
        writer.write("images", split, 0, columns)
        rows = DataSet.open(folder / "data").table("vqa", "train").to_pydict()
        keep = [i for i, name in enumerate(rows["image_id"]) if name in ids]
        writer.write("vqa", split, 0, {name: [column[i] for i in keep] for name, column in rows.items()})
    writer.finish()
    (tmp_path / "two.toml").write_text(
        f"[vqa]\nmin_count = 1\nbatch = 1\ndata = '{tmp_path / 'other'}'\n[statements]\n[expressions]\n"
    )
    given = {"steps": 3, "evaluate_on": 0}
    run(options(folder, tmp_path / "clean", str(tmp_path / "two.toml"), **given))
    told = load(tmp_path / "clean").run["tasks"]
    assert told["vqa"]["in_other_tests"] == 0
    assert told["statements"]["in_other_tests"] == 4  # two pictures, each on the left and on the right
    assert told["expressions"]["in_other_tests"] > 0
    assert told["statements"]["examples"] == SPLITS["train"] - 4
    run(options(folder, tmp_path / "all", str(tmp_path / "two.toml"), **given, several={"keep_tested": True}))
    assert load(tmp_path / "all").run["tasks"]["statements"]["examples"] == SPLITS["train"]


def test_other_turns_in_the_same_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    run(options(folder, tmp_path, steps=3, evaluate_on=0))
    with pytest.raises(ConfigError, match="other turns"):
        run(options(folder, tmp_path, steps=6, evaluate_on=0, several={"sampling": "size"}))
