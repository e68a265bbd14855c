from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch
from samples import PAGES, shake
from toy_data import SPLITS

from iconotext.core.errors import ConfigError, DataError
from iconotext.core.seed import Draw
from iconotext.models.task import TaskModel
from iconotext.tasks.base import Source, TaskBatch, predict
from iconotext.tasks.metrics.relevance import auc, ndcg, reciprocal_rank
from iconotext.tasks.relevance import LOSSES, Listed, Relevance, RelevanceOptions, order

PRODUCTS = 12


def listed(toy, training: bool = False, **changes) -> Listed:
    return Relevance(**changes).examples(Source(toy.data, toy.store, toy.words), "train", training)


def batch_of(toy, examples: Listed, rows: np.ndarray, epoch: int = 0) -> TaskBatch:
    return examples.batch(rows, Draw(0, epoch, rows), toy.seats(PAGES["uniter"]))


def test_a_product_without_a_picture_is_read_by_its_title(toy) -> None:
    examples, words = listed(toy), toy.words
    micro = batch_of(toy, examples, np.arange(2))
    assert (micro.batch.group, len(micro.batch)) == (PRODUCTS, 2 * PRODUCTS)
    regions = micro.batch.region.offsets.diff().tolist()
    for i, row in enumerate(examples.rows[:2]):
        own = regions[i * PRODUCTS : (i + 1) * PRODUCTS]
        assert own[:10] == [len(toy.store.get(name).scores) for name in row["image_ids"][:10]]
        assert own[10:] == [0, 0]
    text = micro.batch.text
    last = slice(text.offsets[10], text.offsets[11])
    ids, segments = text.ids[last].tolist(), text.segment[last].tolist()
    query, title = (
        words.encode([text]).ids.tolist() for text in (examples.rows[0]["query"], examples.rows[0]["titles"][10])
    )
    end = words.vocab.separator
    assert ids == [words.vocab.begin, *query, end, *title, end]
    assert segments == [0] * (len(query) + 2) + [2] * (len(title) + 1)


def test_grades_are_shares_of_the_highest(toy) -> None:
    examples = listed(toy)
    micro = batch_of(toy, examples, np.arange(3))
    wanted = [np.array(row["grades"]) / 3 for row in examples.rows[:3]]
    assert np.allclose(micro.targets.numpy(), wanted)


def test_shorter_lists_are_padded_and_nothing_is_said_of_the_padding(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    rows = source.read("queries", "train")
    rows[0] = {name: value[:3] if isinstance(value, list) else value for name, value in rows[0].items()}
    examples = Listed(source, rows, 0)
    micro = batch_of(toy, examples, np.arange(2))
    assert (micro.targets[0] < 0).tolist() == [False] * 3 + [True] * (PRODUCTS - 3)
    assert micro.batch.region.offsets.diff()[3:PRODUCTS].tolist() == [0] * (PRODUCTS - 3)
    scores = torch.zeros(2, PRODUCTS)
    scores[0, 5], scores[0, 1] = 9.0, 1.0
    said = examples.said(np.arange(2), scores)
    assert said["predicted"][0] == rows[0]["image_ids"][1]
    assert [len(found) for found in said["scores"]] == [3, PRODUCTS]


def test_padding_changes_no_score(toy) -> None:
    source, page = Source(toy.data, toy.store, toy.words), PAGES["uniter"]
    rows = source.read("queries", "train")[:2]
    few = {name: value[:3] if isinstance(value, list) else value for name, value in rows[0].items()}
    task = RelevanceOptions().task(source, "train", page)
    torch.manual_seed(0)
    model = TaskModel(page, task.kind, toy.words.vocab.size, toy.store.feature_dim, toy.store.class_count)
    shake(model)
    model.eval()
    found = []
    for given in ([few, rows[1]], [few]):
        examples = Listed(source, given, 0)
        with torch.no_grad():
            found.append(model(batch_of(toy, examples, np.arange(len(given))).batch)[0, :3])
    assert torch.allclose(*found, atol=1e-5)


def test_what_is_drawn_has_two_grades_and_changes_with_the_epoch(toy) -> None:
    examples = listed(toy, training=True, products=4)
    rows = np.arange(len(examples))
    first, again, later = (batch_of(toy, examples, rows, epoch).targets for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)
    assert first.shape == (len(examples), 4)
    assert (first[:, 0] == 1).all()
    assert (first[:, 1] < 1).all()


def test_queries_of_one_grade_teach_nothing(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    rows = source.read("queries", "train")
    rows[0]["grades"] = [1] * PRODUCTS
    rows[1]["grades"] = [3, 0, *[None] * (PRODUCTS - 2)]
    examples = Listed(source, rows, 8)
    assert len(examples) == SPLITS["train"] - 1
    assert np.diff(examples.begin)[0] == 2
    with pytest.raises(DataError, match="two grades"):
        Listed(source, rows[:1], 8)
    with pytest.raises(ConfigError, match="--products 1"):
        RelevanceOptions(products=1).task(source, "train", PAGES["uniter"])


def test_another_store_is_named_and_not_taken_for_missing_pictures(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    rows = [{**row, "image_ids": [f"x{i}" for i in range(PRODUCTS)]} for row in source.read("queries", "train")]
    with pytest.raises(DataError, match=r"none of 48 queries has a product with regions"):
        Listed(source, rows, 0)
    with pytest.raises(DataError, match=r"3 image_ids, 12 grades"):
        Listed(source, [{**rows[0], "image_ids": ["a", "b", "c"]}], 0)


@pytest.mark.parametrize("form", LOSSES)
def test_a_loss_falls_as_the_order_becomes_right_and_ignores_padding(form) -> None:
    grades = torch.tensor([[1.0, 1 / 3, 0.0, -1.0]])
    right, wrong = torch.tensor([[2.0, 0.0, -2.0, 9.0]]), torch.tensor([[-2.0, 0.0, 2.0, -9.0]])
    loss = LOSSES[form]
    assert loss(right, grades)[0] < loss(wrong, grades)[0]
    moved = torch.tensor([[2.0, 0.0, -2.0, 0.0]])
    assert torch.allclose(loss(right, grades), loss(moved, grades))


def test_losses_by_hand() -> None:
    scores, grades = torch.tensor([[1.0, 0.0, 5.0]]), torch.tensor([[1.0, 0.5, -1.0]])
    total = np.log(np.exp(1.0) + 1)
    assert LOSSES["listwise"](scores, grades).item() == pytest.approx(((total - 1) + 0.5 * total) / 1.5, rel=1e-5)
    assert LOSSES["pairwise"](scores, grades).item() == pytest.approx(np.log1p(np.exp(-1.0)), rel=1e-5)
    wanted = (np.log1p(np.exp(-1.0)) + np.log(2)) / 2
    assert LOSSES["pointwise"](scores, grades).item() == pytest.approx(wanted, rel=1e-5)


def test_figures_by_query_picture_and_grade(toy) -> None:
    examples = listed(toy)
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(len(examples), PRODUCTS)))
    said = examples.said(np.arange(len(examples)), scores)
    found = {measure.name.removeprefix("relevance "): measure for measure in examples.measures(said)}
    assert list(found) == [
        "NDCG@5",
        "NDCG@10",
        "AUC",
        "MRR",
        "NDCG@10 among products with a picture",
        "NDCG@10 among products without a picture",
        "order",
    ]
    own, grades = scores[0].numpy(), np.array(examples.rows[0]["grades"])
    assert found["NDCG@5"].values[0] == ndcg(own, grades, 5)
    assert found["NDCG@10"].values[0] == said["accuracy"][0] == ndcg(own, grades, 10)
    assert found["AUC"].values[0] == auc(own, grades, 2)
    assert found["MRR"].values[0] == reciprocal_rank(own, grades, 2)
    assert found["NDCG@10 among products with a picture"].values[0] == ndcg(own[:10], grades[:10], 10)
    assert found["NDCG@10 among products without a picture"].values[0] == ndcg(own[10:], grades[10:], 10)
    assert set(found["NDCG@10"].kinds) == {"dog", "other"}
    assert found["NDCG@10"].units == examples.units
    assert set(found["order"].kinds) == {"grade 0", "grade 1", "grade 3"}
    assert len(found["order"].values) == len(examples) * PRODUCTS


def test_order_of_a_product() -> None:
    found = order(np.array([3.0, 2.0, 2.0, 0.0]), np.array([2.0, 0.0, 1.0, -1.0]))
    assert found.tolist()[:3] == [1.0, 0.75, 0.75]
    assert np.isnan(found[3])


def test_unknown_grades_are_scored_and_not_measured(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    rows = [{**row, "grades": [None] * PRODUCTS} for row in source.read("queries", "train")]
    examples = Listed(source, rows, 0)
    said = examples.said(np.arange(2), torch.zeros(2, PRODUCTS))
    assert np.isnan(said["accuracy"]).all()
    assert len(said["scores"][0]) == PRODUCTS


def test_a_run_for_trec_eval(toy) -> None:
    table = pa.table({"query_id": ["q"], "products": [["a", "b"]], "scores": [[0.5, 2.0]]})
    assert listed(toy).submission(table) == ("relevance.trec", "q Q0 b 1 2.0 iconotext\nq Q0 a 2 0.5 iconotext\n")


def test_without_titles_rows_are_as_any_others(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    rows = [{k: v for k, v in row.items() if k != "titles"} for row in source.read("queries", "train")]
    text = batch_of(toy, Listed(source, rows, 0), np.arange(1)).batch.text
    query = toy.words.encode([rows[0]["query"]]).ids
    assert text.offsets.diff().tolist() == [len(query) + 2] * PRODUCTS


@pytest.mark.parametrize("name", PAGES)
def test_every_query_is_scored_in_chunks_of_pairs(toy, name: str) -> None:
    page, source = PAGES[name], Source(toy.data, toy.store, toy.words)
    task = RelevanceOptions("pairwise").task(source, "train", page)
    assert task.kind == dataclasses.replace(task.kind, form="pairwise", segments=(0,) if name == "uniter" else ())
    model = TaskModel(page, task.kind, toy.words.vocab.size, toy.store.feature_dim, toy.store.class_count).eval()
    examples = listed(toy)
    parts = list(predict(model, examples, np.arange(6), toy.seats(page), "bf16", chunk=2 * PRODUCTS))
    assert [len(rows) for rows, _ in parts] == [2, 2, 2]
    assert all(scores.shape == (2, PRODUCTS) for _, scores in parts)
    assert any((scores != scores.bfloat16().float()).any() for _, scores in parts), "scores are computed in fp32"
