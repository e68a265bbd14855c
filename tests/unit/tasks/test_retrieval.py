from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import PAGES, model_of, tiny
from torch.nn import functional as F

from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw
from iconotext.data.pair import PairTable
from iconotext.objectives.mlm import MLM
from iconotext.systems.uniter import UNITER
from iconotext.tasks.base import Examples, Task, TaskBatch
from iconotext.tasks.retrieval import Groups, Retrieval, circle, matching

PAGE = PAGES["uniter"]


@pytest.fixture(scope="module")
def pairs(toy) -> PairTable:
    return PairTable(toy.data, "train", toy.words, toy.store)


def batch_of(groups: Groups, toy, rows: range, seed: int = 0, epoch: int = 0) -> TaskBatch:
    chosen = np.array(rows)
    return groups.batch(chosen, Draw(seed, epoch, chosen + 100), toy.seats(PAGE))


def said(toy, micro: TaskBatch) -> list[str]:
    text = micro.batch.text
    cuts = zip(text.offsets[:-1].tolist(), text.offsets[1:].tolist())
    return [toy.words.decode(text.ids[begin + 1 : end - 1].tolist()) for begin, end in cuts]


def test_a_group_is_the_true_pair_then_wrong_ones(toy, pairs) -> None:
    groups = Groups(pairs, negatives=1, hard=1)
    assert groups.group == 4
    micro = batch_of(groups, toy, range(20))
    assert (micro.rows, micro.examples, micro.batch.group) == (80, 20, 4)
    assert micro.counts == {"retrieval": 20.0}
    assert micro.ids == list(range(100, 120))
    assert micro.batch.matched.view(-1, 4).all(0).tolist() == [True, False, False, False]
    texts = np.array(said(toy, micro)).reshape(-1, 4)
    sizes = micro.batch.region.offsets.diff().view(-1, 4)
    features = micro.batch.region.features.split(micro.batch.region.offsets.diff().tolist())
    for row, (true, image, text, hard) in enumerate(texts.tolist()):
        assert true == pairs.strings[row]
        assert image == true, "the second pair has another image"
        assert not (sizes[row, 0] == sizes[row, 1] and torch.equal(features[4 * row], features[4 * row + 1]))
        assert text != true, "the third has another text"
        assert torch.equal(features[4 * row], features[4 * row + 2])
        assert hard != true, "the fourth has a text made false"
        assert torch.equal(features[4 * row], features[4 * row + 3])


def test_a_hard_text_differs_in_a_word_where_the_data_has_one(toy, pairs) -> None:
    groups = Groups(pairs, negatives=0, hard=1)
    texts = np.array(said(toy, batch_of(groups, toy, range(40)))).reshape(-1, 2)
    for row, (true, hard) in enumerate(texts.tolist()):
        words, others = true.split(), hard.split()
        differing = sum(a != b for a, b in zip(words, others))
        assert (len(words) == len(others) and differing == 1) or pairs.kinds[row] == "one"


def test_wrong_pairs_are_drawn_anew_each_epoch_and_the_same_in_any_batch(toy, pairs) -> None:
    groups = Groups(pairs, negatives=2)
    one, again, later = (said(toy, batch_of(groups, toy, range(30), epoch=epoch)) for epoch in (0, 0, 1))
    assert one == again
    assert one != later
    assert said(toy, batch_of(groups, toy, range(10, 20))) == one[10 * 5 : 20 * 5]
    texts = np.array(one).reshape(-1, 5)
    assert (texts[:, 3] != texts[:, 4]).any(), "the wrong pairs of a group differ"


def test_lengths_are_those_of_the_whole_group(pairs) -> None:
    assert np.array_equal(Groups(pairs, 1, 1).lengths(60, 100), 4 * pairs.lengths(60, 100))


def test_no_wrong_pairs_are_refused(pairs) -> None:
    with pytest.raises(ConfigError, match="--negatives"):
        Groups(pairs, 0, 0)


def scored(toy, pairs, matched: list[bool], group: int) -> TaskBatch:
    micro = batch_of(Groups(pairs, negatives=0, hard=group - 1), toy, range(len(matched) // group))
    return dataclasses.replace(micro, batch=dataclasses.replace(micro.batch, matched=torch.tensor(matched)))


def test_softmax_is_the_cross_entropy_of_the_true_pair(toy, pairs) -> None:
    micro = scored(toy, pairs, [True, False, False] * 4, 3)
    scores = torch.randn(4, 3)
    loss = Retrieval("softmax").loss(scores, micro)
    assert loss.mean.item() == pytest.approx(F.cross_entropy(scores, torch.zeros(4).long()).item(), rel=1e-5)
    assert loss.count.item() == 4


def test_triplet_is_uniters_margin_on_sigmoids(toy, pairs) -> None:
    micro = scored(toy, pairs, [True, False, False] * 4, 3)
    scores = torch.randn(4, 3)
    chance = scores.sigmoid()
    wanted = (0.2 + chance[:, 1:] - chance[:, :1]).clamp(min=0).mean()
    assert Retrieval("triplet").loss(scores, micro).mean.item() == pytest.approx(wanted.item(), rel=1e-5)


@given(st.sampled_from(["softmax", "triplet", "circle"]), st.floats(-50, 50))
def test_a_pair_that_is_true_by_chance_does_not_count(toy, pairs, form: str, score: float) -> None:
    micro = scored(toy, pairs, [True, False, True, True, True, True], 3)
    scores = torch.tensor([[1.0, 0.5, score], [1.0, score, score]], requires_grad=True)
    loss = Retrieval(form).loss(scores, micro)
    alone = Retrieval(form).loss(torch.tensor([[1.0, 0.5]]), scored(toy, pairs, [True, False], 2))
    assert loss.sum.item() == pytest.approx(alone.sum.item(), abs=1e-6)
    loss.sum.backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert not scores.grad[0, 2:].any()
    assert not scores.grad[1].any()


def test_the_first_of_the_group_is_right(pairs) -> None:
    said = Groups(pairs).said(np.arange(2), torch.tensor([[3.0, 1.0], [0.0, 1.0]]))
    assert said["predicted"].tolist() == [0, 1]
    assert said["accuracy"].tolist() == [1.0, 0.0]


def test_it_keeps_the_contract(pairs) -> None:
    assert isinstance(Retrieval(), Task)
    assert isinstance(Groups(pairs), Examples)
    assert Retrieval().kind.head == "score"


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_matching_head_becomes_the_score(page) -> None:
    model = model_of(page)
    score = matching(model)
    assert score is not None
    pooled = torch.randn(5, score.in_features)
    logits = model.heads["itm"](pooled)
    matched = model.objectives["itm"].matched
    wanted = logits.log_softmax(-1)[:, matched] - logits.log_softmax(-1)[:, 1 - matched]
    assert torch.allclose(score(pooled)[:, 0], wanted, atol=1e-5)


def test_without_matching_there_is_no_score() -> None:
    page = dataclasses.replace(tiny(UNITER), mix=MLM())
    assert matching(model_of(page)) is None


def test_circle_is_what_unimos_code_computes() -> None:
    found = circle(torch.tensor([0.6]), torch.tensor([[0.1, 0.5]]), torch.tensor([[True, True]]), 0.2)
    assert found.item() == pytest.approx(1.248509, abs=1e-6)


def test_circle_averages_images_and_texts(toy, pairs) -> None:
    micro = scored(toy, pairs, [True, False, False] * 2, 3)
    true, image, text = torch.rand(3, 2)
    every = torch.ones(2, 1, dtype=torch.bool)
    wanted = sum(circle(true, wrong[:, None], every, 0.2).mean() / 2 for wrong in (image, text))
    loss = Retrieval("circle").loss(torch.stack([true, image, text], 1), micro)
    assert loss.mean.item() == pytest.approx(wanted.item(), rel=1e-5)
