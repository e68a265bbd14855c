"""Objectives that the data cannot score leave the page, and it says so; the others take from the data what they need."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_data import PRINT, THINGS, make_data, make_store, make_words, regions, scene

from iconotext.core.errors import ConfigError
from iconotext.data.pair import PairTable
from iconotext.data.records import DataSet
from iconotext.data.sampler import LengthSampler
from iconotext.data.store import RegionStore, StoreWriter
from iconotext.objectives.iqa import IQA
from iconotext.objectives.mix import Mix, Together, objectives
from iconotext.objectives.mlm import MLM
from iconotext.recipes.asking import with_questions, without_labels
from iconotext.recipes.material import PretrainStream, seating
from iconotext.systems.lxmert import LXMERT
from iconotext.systems.uniter import UNITER

FEW = {"train": 12, "validation": 2, "test": 2}


def names(mix: Mix) -> set[str]:
    return {o.name for o in objectives(mix)}


def unlabelled(path: Path, classes: int) -> RegionStore:
    """A store whose regions have no attributes, and classes or none."""
    writer = StoreWriter(path, dataclasses.replace(PRINT, classes=classes, attributes=0), ["c"] * classes, ())
    row = regions("train-0", scene("train-0"))
    writer.write_shard(0, [dataclasses.replace(row, class_probs=row.class_probs[:, :classes])])
    return writer.finish()


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSet, RegionStore]:
    folder = tmp_path_factory.mktemp("toy")
    return make_data(folder / "data", FEW), make_store(folder / "store", FEW)


@pytest.mark.parametrize("size", ["base", "tiny"])
def test_labels_that_are_not_there_are_left_out(tmp_path: Path, size: str) -> None:
    page = LXMERT.at(size)
    without = without_labels(page, unlabelled(tmp_path / "no attributes", len(THINGS) + 1))
    assert names(without.mix) == names(page.mix) - {"mrc_attribute"}
    without = without_labels(page, unlabelled(tmp_path / "no classes", 0))
    assert names(without.mix) == names(page.mix) - {"mrc_attribute", "mrc_hard"}
    assert without.departures[:-1] == page.departures
    assert "mrc_hard, mrc_attribute: left out" in without.departures[-1]


def test_pages_that_answer_nothing_ask_nothing(toy: tuple[DataSet, RegionStore]) -> None:
    page, asked = with_questions(UNITER, toy[0], "train", toy[1])
    assert page is UNITER
    assert len(asked) == 0


@pytest.mark.parametrize("size", ["base", "tiny"])
def test_answers_come_from_the_data(toy: tuple[DataSet, RegionStore], size: str) -> None:
    page, asked = with_questions(LXMERT.at(size), toy[0], "train", toy[1])
    (found,) = [o for o in objectives(page.mix) if isinstance(o, IQA)]
    assert set(found.names) <= {"red", "green", "blue", "yes", "no"}
    assert found.count == len(found.names) > 2
    table = toy[0].table("vqa", "train").to_pylist()
    assert len(asked) == len(table) == 2 * FEW["train"]
    for row, scores in zip(table, asked.scores):
        assert {found.names[number]: score for number, score in scores.items()} == {row["answers"][0]: 1.0}


def test_no_more_answers_than_the_page_has(toy: tuple[DataSet, RegionStore]) -> None:
    few = dataclasses.replace(LXMERT, mix=Together((MLM(), IQA(count=2))))
    page, asked = with_questions(few, toy[0], "train", toy[1])
    (found,) = [o for o in objectives(page.mix) if isinstance(o, IQA)]
    assert found.count == 2
    assert {number for scores in asked.scores for number in scores} == {0, 1}
    assert any(not scores for scores in asked.scores)


def test_without_questions_the_page_does_without(toy: tuple[DataSet, RegionStore]) -> None:
    page, asked = with_questions(LXMERT, toy[0], "train", toy[1], language="zh")
    assert names(page.mix) == names(LXMERT.mix) - {"iqa"}
    assert len(asked) == 0
    assert page.departures[-1].startswith("Image question answering (iqa) is left out: ")
    with pytest.raises(ConfigError, match="No objective is left"):
        with_questions(dataclasses.replace(LXMERT, mix=IQA()), toy[0], "train", toy[1], language="zh")


def test_a_stream_asks_questions_of_their_images(toy: tuple[DataSet, RegionStore]) -> None:
    data, store = toy
    page, asked = with_questions(LXMERT, data, "train", store)
    words = make_words(data)
    pairs = PairTable(data, "train", words, store, asked=asked)
    assert len(pairs) == 4 * FEW["train"]
    sampler = LengthSampler(pairs.lengths(18, 36), len(pairs), seed=0)
    corrupted = PretrainStream(pairs, seating(page, words.vocab), page.mix, sampler, 0, 10)(0)
    batch, targets = corrupted.batch, corrupted.targets["iqa"]
    assert torch.equal(targets.positions, (batch.answers >= 0).nonzero()[:, 0])
    assert 0 < targets.count < len(batch)
    assert batch.matched[targets.positions].all()
    rows = sampler.batch(0).indices
    by_text = {row["question_id"]: row["answers"][0] for row in data.table("vqa", "train").to_pylist()}
    (found,) = [o for o in objectives(page.mix) if isinstance(o, IQA)]
    for at, answer in zip(targets.positions.tolist(), targets.values.tolist()):
        assert by_text[pairs.ids[rows[at]]] == found.names[answer]
    assert np.array_equal(batch.region.attribute_scores.numpy(), np.ones(batch.region.attributes.numel(), np.float32))
