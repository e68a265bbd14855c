"""Captioning: what is learned from, what is measured, and the way from fine-tuning to a caption of a picture."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor
from toy_data import SPLITS, make_data, make_store, make_words, save_pretrained, texts

from iconotext.cli.main import call
from iconotext.core.errors import ConfigError, DataError
from iconotext.core.seed import Draw
from iconotext.models.checkpoint import load
from iconotext.models.task import TaskModel
from iconotext.objectives.caption import CaptionMLM, writing
from iconotext.recipes import evaluate, finetune
from iconotext.recipes.finetune import FinetuneOptions
from iconotext.systems import SYSTEMS
from iconotext.systems.vlp import VLP
from iconotext.tasks.base import Examples, Source, Task
from iconotext.tasks.beam import Search
from iconotext.tasks.captions import CaptionOptions, Captions, divided
from iconotext.tasks.metrics import captions as metric
from iconotext.tasks.table import task_of
from iconotext.train.step import MicroBatch

SMALL = {"width": 16, "heads": 2, "hidden": 32, "region_width": 16, "region_heads": 2, "region_hidden": 32}
PAGE = dataclasses.replace(VLP.at("tiny"), **SMALL)
WRITE = writing(PAGE.mix)


def source(toy) -> Source:
    return Source(toy.data, toy.store, toy.words)


def test_to_train_on_captions_to_measure_on_pictures(toy) -> None:
    task = CaptionOptions().task(source(toy), "train", PAGE)
    assert isinstance(task, Task)
    assert task.objective == WRITE
    learned, measured = (task.examples(source(toy), "test", training) for training in (True, False))
    assert isinstance(learned, Examples)
    assert isinstance(measured, Examples)
    assert (len(learned), len(measured)) == (2 * SPLITS["test"], SPLITS["test"])
    assert measured.given["test-0"] == [text for text, _, _ in texts("test-0")]
    only = CaptionOptions(kind="one").task(source(toy), "train", PAGE)
    assert len(only.examples(source(toy), "test", training=True)) == SPLITS["test"]
    assert only.examples(source(toy), "test", training=False).given["test-0"] == [texts("test-0")[1][0]]
    assert task_of(only.kind).only == "one"
    for task, language in ((Captions(only="none"), ""), (Captions(), "zh")):
        for training in (True, False):
            with pytest.raises(DataError, match="kind and language"):
                task.examples(dataclasses.replace(source(toy), language=language), "train", training)


def test_a_batch_is_what_pre_training_has(toy) -> None:
    examples = Captions(WRITE).examples(source(toy), "train", training=True)
    rows, draw, seats = np.arange(6), Draw(0, 0, np.arange(6) + 7), toy.seats(PAGE)
    micro = examples.batch(rows, draw, seats)
    assert isinstance(micro, MicroBatch)
    assert micro.to("cpu").ids == micro.ids == list(range(7, 13))
    made = {"vocabulary": toy.words.vocab.size, "feature_dim": toy.store.feature_dim, "classes": toy.store.class_count}
    model = TaskModel(PAGE, Captions(WRITE).kind, **made).eval()
    loss = Captions(WRITE).loss(model(micro.batch), micro)
    assert loss.count.item() == pytest.approx(micro.counts["captions"], abs=1e-3)
    loss.sum.backward()
    assert all(parameter.grad is not None for parameter in model.head.parameters())
    clean = seats.batch(
        examples.texts.rows(rows), toy.store.gather(examples.units[:6]), np.ones(6, np.bool_), draw.positions
    )
    corrupted, targets = WRITE.corrupt(clean, clean, draw, seats.vocab)
    assert torch.equal(corrupted.text.ids, micro.batch.text.ids)
    assert torch.equal(targets.positions, micro.batch.scored)
    assert micro.batch.pattern == "seq2seq"
    ends = clean.text.offsets[1:] - 1
    drawn = [examples.batch(rows, Draw(seed, 0, rows), seats).batch.scored for seed in range(20)]
    assert bool(torch.isin(ends, torch.cat(drawn)).all()), "a model learns where to stop"


def test_figures_are_those_of_the_metric_and_leave_out_what_nobody_captioned(toy) -> None:
    examples = Captions().examples(source(toy), "test", training=False)
    examples.given = {**examples.given, "test-3": []}
    said = [texts(image)[n % 2][0].replace("dog", "cat") for n, image in enumerate(examples.units)]
    known = [image for image in examples.units if image != "test-3"]
    ours = {image: divided(text) for image, text in zip(examples.units, said) if image != "test-3"}
    wanted = metric.evaluate(ours, {image: [divided(text) for text in examples.given[image]] for image in known})
    values = {"predicted": np.array(said, object)}
    measures = {measure.name: measure for measure in examples.measures(values)}
    assert list(measures) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"]
    there = ~np.isnan(measures["CIDEr"].values)
    assert np.flatnonzero(~there).tolist() == [3]
    figures = {name: measure.figure(name, ~np.isnan(measure.values), 0) for name, measure in measures.items()}
    assert [figures[f"BLEU-{n}"].value for n in range(1, 5)] == pytest.approx(wanted.bleu().tolist())
    assert figures["BLEU-4"].value != pytest.approx(np.nanmean(measures["BLEU-4"].values)), "of all captions together"
    assert figures["CIDEr"].value == pytest.approx(wanted.cider.mean())
    assert figures["ROUGE-L"].value == pytest.approx(wanted.rouge_l.mean())
    assert all(figure.low < figure.value < figure.high and figure.n == len(known) for figure in figures.values())
    half = measures["BLEU-1"].figure("half", there & (np.arange(len(there)) < 6), 0)
    assert half.value == pytest.approx(wanted.bleu(np.arange(5))[0])
    examples.given = {name: [] for name in examples.units}
    del examples._divided
    assert examples.measures(values) == []


def test_every_chinese_character_is_a_word() -> None:
    assert divided("图中有2只狗") == "图 中 有 2 只 狗"
    assert divided("A dog, on the grass.") == "a dog on the grass"


def test_a_system_that_cannot_write_is_refused(toy) -> None:
    for name in ("uniter", "vilbert", "unimo", "dual_encoder"):
        with pytest.raises(ConfigError, match=r"does not learn to write.*: vlp"):
            CaptionOptions().task(source(toy), "train", SYSTEMS[name])
    bidirectional = dataclasses.replace(PAGE, mix=CaptionMLM())
    with pytest.raises(ConfigError, match="does not learn to write"):
        CaptionOptions().task(source(toy), "train", bidirectional)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little data set, its regions, and a model of random weights."""
    folder = tmp_path_factory.mktemp("captions")
    data, store = make_data(folder / "data"), make_store(folder / "store")
    save_pretrained(folder / "vlp", PAGE, make_words(data), store)
    return folder


def tuned(folder: Path, name: str, **changes: Any) -> dict[str, Tensor]:
    common: dict[str, Any] = {"data": folder / "data", "store": folder / "store", "start": folder / "vlp"}
    common |= {"steps": 2, "batch": 16, "learning_rate": 1e-3, "workers": 0, "precision": "fp32", "evaluate_on": 4}
    finetune.run(FinetuneOptions(CaptionOptions(), **{**common, "out": folder / name, **changes}))
    return load(folder / name).model.state_dict()


def evaluated(folder: Path, name: str, **changes: Any) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    path = evaluate.run(evaluate.EvaluateOptions(folder / name, folder / "data", folder / "store", **changes))
    return json.loads(path.read_text()), pq.read_table(path.with_name("predictions.parquet")).to_pydict()


def test_from_fine_tuning_to_the_official_file(folder: Path) -> None:
    before = load(folder / "vlp").model.state_dict()
    after = tuned(folder, "same", steps=1, warmup=1, learning_rate=0.0)
    assert torch.equal(after["head.bias"], before["heads.mlm.bias"]), "the head goes on where pre-training left it"
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items() if name.startswith("trunk."))
    found, rows = evaluated(folder, "same", search=Search(3))
    names = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"]
    assert [figure["name"] for figure in found["figures"]] == [*names, *(f"{name}, regions removed" for name in names)]
    assert found["references"] == 2 * SPLITS["test"]
    assert rows["image_id"] == [f"test-{i}" for i in range(SPLITS["test"])]
    assert {"predicted", "score", "accuracy", "references", "unit", "blind_predicted"} <= set(rows)
    official = json.loads((folder / "same" / "captions_results.json").read_text())
    assert official == [{"image_id": i, "caption": c} for i, c in zip(rows["image_id"], rows["predicted"])]


def test_without_the_picture_and_from_scratch(folder: Path) -> None:
    tuned(folder, "blind", blind="text")
    found, rows = evaluated(folder, "blind")
    assert {figure["name"].rpartition(", ")[2] for figure in found["figures"]} == {"regions removed"}
    assert len(set(rows["predicted"])) == 1, "without a picture all are the same"
    scratch, other = tuned(folder, "scratch", scratch=True), load(folder / "vlp").model.state_dict()
    assert not torch.equal(scratch["head.transform.linear.weight"], other["heads.mlm.transform.linear.weight"])
    with pytest.raises(ConfigError, match="--blind text takes the picture away"):
        tuned(folder, "wordless", blind="picture")


def test_beside_another_task(folder: Path) -> None:
    out = folder / "both"
    at = ["--data", folder / "data", "--store", folder / "store", "--from", folder / "vlp", "--out", out]
    few = ["--steps", 4, "--batch", 8, "--workers", 0, "--evaluate-on", 4, "--precision", "fp32"]
    assert call([str(word) for word in ["finetune", "multi", "captions", "vqa", *at, *few]]) == 0
    assert call(["evaluate", str(out)]) == 0
    assert {path.name for path in out.rglob("*_results.json")} == {"captions_results.json", "vqa_results.json"}
    wordless = ["finetune", "multi", "captions", "vqa", *at[:-1], folder / "other", *few, "--blind", "picture"]
    assert call([str(word) for word in wordless]) == 2


def test_numbers_are_numbers_in_the_official_file(toy) -> None:
    examples = Captions().examples(source(toy), "test", training=False)
    table = pa.table({"image_id": ["391895", "photo"], "predicted": ["a dog", "a cat"]})
    name, content = examples.submission(table)
    assert name == "captions_results.json"
    assert json.loads(content) == [{"image_id": 391895, "caption": "a dog"}, {"image_id": "photo", "caption": "a cat"}]
