from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from samples import PAGES, shake, tiny
from toy_data import SPLITS

from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.models.system import System
from iconotext.models.task import TaskModel
from iconotext.systems.visualbert import VISUALBERT
from iconotext.tasks.base import Source
from iconotext.tasks.statements import Judged, StatementOptions, Statements

SYSTEMS = {**PAGES, "visualbert": tiny(VISUALBERT)}
FORMS = ("pair", "triplet", "attention")


def judged(toy, images: str) -> Judged:
    return Statements(images).examples(Source(toy.data, toy.store, toy.words), "train", training=True)


def model_for(toy, page: System, images: str) -> TaskModel:
    task = StatementOptions(images).task(Source(toy.data, toy.store, toy.words), "train", page)
    torch.manual_seed(0)
    model = TaskModel(page, task.kind, toy.words.vocab.size, toy.store.feature_dim, toy.store.class_count)
    shake(model)
    return model.eval()


@pytest.mark.parametrize("images", FORMS)
def test_both_pictures_are_read(toy, images: str) -> None:
    page, rows = PAGES["uniter"], np.arange(4)
    examples = judged(toy, images)
    micro = examples.batch(rows, Draw(0, 0, rows), toy.seats(page))
    region = micro.batch.region
    counts = [
        len(toy.store.get(row[side]).scores) for row in examples.rows[:4] for side in ("left_image", "right_image")
    ]
    assert micro.targets.argmax(1).tolist() == [int(row["label"]) for row in examples.rows[:4]]
    if images == "triplet":
        assert (len(micro.batch), micro.batch.group) == (4, 1)
        assert region.offsets.diff().tolist() == [a + b for a, b in zip(counts[::2], counts[1::2])]
    else:
        assert (len(micro.batch), micro.batch.group) == (8, 2)
        assert region.offsets.diff().tolist() == counts
        text = micro.batch.text
        first, second = (text.ids[text.offsets[i] : text.offsets[i + 1]].tolist() for i in (0, 1))
        assert first == second
    sides = [side % 2 for side, count in enumerate(counts) for _ in range(count)]
    wanted = [1 + side for side in sides] if images != "pair" else [1] * len(sides)
    assert region.segment.tolist() == wanted


@pytest.mark.parametrize("images", FORMS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_left_and_right_are_told_apart(toy, name: str, images: str) -> None:
    page = SYSTEMS[name]
    if name == "vilbert" and images == "attention":
        with pytest.raises(ConfigError, match="two widths"):
            model_for(toy, page, images)
        return
    model, examples, rows = model_for(toy, page, images), judged(toy, images), np.arange(3)
    turned = judged(toy, images)
    turned._pairs = [name for row in turned.rows for name in (row["right_image"], row["left_image"])]
    with torch.no_grad():
        scores, other = (model(e.batch(rows, Draw(0, 0, rows), toy.seats(page)).batch) for e in (examples, turned))
    assert scores.shape == (3, 2)
    assert not torch.allclose(scores, other, atol=1e-4)


def test_a_new_segment_begins_as_the_left_one(toy) -> None:
    page = PAGES["uniter"]
    model, plain = model_for(toy, page, "triplet"), model_for(toy, page, "pair")
    assert model.trunk.text.tables["segment"].num_embeddings == 3
    model.begin_with(plain.trunk.state_dict())
    table = model.trunk.text.tables["segment"].weight
    assert torch.equal(table[2], plain.trunk.text.tables["segment"].weight[1])
    model.begin_with(model.trunk.state_dict())
    assert torch.equal(model.trunk.text.tables["segment"].weight, table)


def test_padding_of_a_pair_is_not_attended_to(toy) -> None:
    page, examples = PAGES["uniter"], judged(toy, "attention")
    model = model_for(toy, page, "attention")
    with torch.no_grad():
        together = model(examples.batch(np.arange(8), Draw(0, 0, np.arange(8)), toy.seats(page)).batch)
        alone = [
            model(examples.batch(np.array([i]), Draw(0, 0, np.array([i])), toy.seats(page)).batch) for i in range(8)
        ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_consistency_is_over_the_pairs_of_a_sentence(toy) -> None:
    examples = judged(toy, "pair")
    count = SPLITS["train"]
    for number, row in enumerate(examples.rows):
        row["statement_id"] = f"dev-{number // 4}-{number % 4}-0"
    accuracy = np.ones(count)
    accuracy[:5] = 0.0
    accuracy[-1] = np.nan
    figures = {measure.name: measure for measure in examples.measures({"accuracy": accuracy})}
    whole = figures["statements, consistency"]
    assert len(whole.values) == count / 4
    assert whole.values.mean() == pytest.approx(1 - 2 / (count / 4))
    assert np.nanmean(figures["statements, accuracy"].values) == pytest.approx(1 - 5 / (count - 1))


def test_what_is_said(toy) -> None:
    examples = judged(toy, "pair")
    examples.rows[1]["label"] = None
    scores = torch.tensor([[0.0, 2.0], [0.0, 2.0]])
    said = examples.said(np.arange(2), scores)
    assert said["predicted"].tolist() == ["True", "True"]
    assert said["accuracy"][0] == float(examples.rows[0]["label"])
    assert np.isnan(said["accuracy"][1])
    name, text = examples.submission(pa.table({"statement_id": ["a", "b"], "predicted": ["True", "False"]}))
    assert (name, text) == ("nlvr2_results.csv", "a,True\nb,False\n")
