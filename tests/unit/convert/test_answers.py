"""Files of answers, and the heads that they are for."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import pytest
import torch
from samples import CLASSES, FEATURES, VOCAB, tiny

from iconotext.convert.answers import named, read_answers
from iconotext.core.errors import ConfigError, DataError
from iconotext.models.pretrain import PretrainModel
from iconotext.objectives.iqa import IQA
from iconotext.objectives.mix import objectives, replaced
from iconotext.systems import SYSTEMS

ANSWERS = ["yes", "no", "two dogs"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("all_ans.json", json.dumps([{"ans": answer, "dsets": ["vqa"]} for answer in ANSWERS])),
        ("trainval_label2ans.json", json.dumps(ANSWERS)),
        ("trainval_ans2label.json", json.dumps({answer: i for i, answer in enumerate(ANSWERS)})),
        ("answers.txt", "\n".join(ANSWERS) + "\n"),
    ],
)
def test_every_form_is_read_in_the_order_of_the_scores(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read_answers(tmp_path / name) == tuple(ANSWERS)


def test_a_pickle_is_read_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "trainval_label2ans.pkl").write_bytes(pickle.dumps(ANSWERS))
    assert read_answers(tmp_path / "trainval_label2ans.pkl") == tuple(ANSWERS)
    (tmp_path / "bad_label2ans.pkl").write_bytes(pickle.dumps(print))
    with pytest.raises(DataError):
        read_answers(tmp_path / "bad_label2ans.pkl")


@pytest.mark.parametrize("content", ["3", "[]", '["a", 2]', '{"a": 1, "b": 3}', "{", '[{"answer": "a"}]'])
def test_what_is_no_list_of_answers(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json"):
        read_answers(tmp_path / "a.json")


def answers(path: Path, count: int) -> Path:
    path.write_text("\n".join(f"{path.stem}{i}" for i in range(count)))
    return path


def test_a_file_goes_to_the_head_with_as_many_scores(tmp_path: Path) -> None:
    with torch.device("meta"):
        page = tiny(SYSTEMS["12in1"])
        model = PretrainModel(page, VOCAB.size, FEATURES, CLASSES, tasks={"vqa": 5, "gqa": 3, "match": 1})
    found = named(model, [answers(tmp_path / "g", 3), answers(tmp_path / "v", 5)])
    assert {form.name: form.answers[:1] for form in found.tasks if form.answers} == {"vqa": ("v0",), "gqa": ("g0",)}
    assert named(model, ()) == page
    with pytest.raises(ConfigError, match="has 4 answers; of the checkpoint's heads: vqa has 5, gqa has 3"):
        named(model, [answers(tmp_path / "x", 4)])


def test_the_answers_of_an_objective(tmp_path: Path) -> None:
    page = SYSTEMS["lxmert"].at("tiny")
    few = replaced(page.mix, lambda o: dataclasses.replace(o, count=3) if isinstance(o, IQA) else o)
    with torch.device("meta"):
        model = PretrainModel(dataclasses.replace(page, mix=few), VOCAB.size, FEATURES, CLASSES, 3)
        other = PretrainModel(tiny(SYSTEMS["uniter"]), VOCAB.size, FEATURES, CLASSES)
    found = named(model, [answers(tmp_path / "a", 3)])
    assert [o.names for o in objectives(found.mix) if isinstance(o, IQA)] == [("a0", "a1", "a2")]
    with pytest.raises(ConfigError, match="no head answers questions"):
        named(other, [tmp_path / "a"])
