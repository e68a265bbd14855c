"""Hidden words of a caption: how many, which, in what pattern, and what each option does to the loss."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from samples import VOCAB, batch_of, model_of, tiny
from torch import nn

from iconotext.core.batch import Batch, Encoded, row_of
from iconotext.core.seed import Draw
from iconotext.heads.vocabulary import VocabularyHead
from iconotext.nn.pattern import Geometry
from iconotext.objectives.base import Targets, View
from iconotext.objectives.caption import CaptionMLM
from iconotext.objectives.mix import corrupt
from iconotext.systems.vlp import VLP

PAGE = tiny(VLP, CaptionMLM(pattern="seq2seq", segments=4))
WORDS = [1, 3, 4, 10, 14, 20, 40]


def captions(words: list[int]) -> Batch:
    """Rows whose last [SEP] may be hidden, as a layout with the image first has them."""
    batch = batch_of(PAGE, words, [2] * len(words))
    special, source = batch.text.special.clone(), torch.zeros_like(batch.text.special)
    special[batch.text.offsets[1:] - 1] = False
    source[batch.text.offsets[:-1]] = True
    return dataclasses.replace(batch, text=dataclasses.replace(batch.text, special=special, source=source))


def draw(rows: int) -> Draw:
    return Draw(0, 0, np.arange(rows))


def test_fifteen_in_a_hundred_at_least_one_at_most_three() -> None:
    batch = captions(WORDS)
    _, targets = CaptionMLM().corrupt(batch, batch, draw(len(WORDS)), VOCAB)
    many = torch.bincount(row_of(batch.text.offsets)[targets.positions], minlength=len(WORDS))
    assert many.tolist() == [max(1, min(3, round(0.15 * n))) for n in WORDS] == [1, 1, 1, 2, 2, 3, 3]
    assert targets.count == pytest.approx(targets.positions.numel() + 1e-5)
    assert torch.equal(targets.values, batch.text.ids[targets.positions])


def test_every_word_and_the_last_separator_are_hidden_equally_often() -> None:
    rows = 3000
    batch = captions([4] * rows)
    _, targets = CaptionMLM().corrupt(batch, batch, draw(rows), VOCAB)
    place = torch.bincount(batch.text.position[targets.positions], minlength=6)
    assert place[0] == 0
    assert (place[1:] - rows / 5).abs().max() < 5 * math.sqrt(rows * 0.2 * 0.8)


def test_the_pattern_comes_with_its_segments() -> None:
    batch = captions([5, 2])
    corrupted, _ = CaptionMLM(pattern="seq2seq", segments=4).corrupt(batch, batch, draw(2), VOCAB)
    assert corrupted.pattern == "seq2seq"
    assert torch.equal(corrupted.text.segment, batch.text.segment + 4)
    assert torch.equal(corrupted.region.segment, batch.region.segment + 4)
    plain, _ = CaptionMLM().corrupt(batch, batch, draw(2), VOCAB)
    assert plain.pattern == "full"
    assert torch.equal(plain.text.segment, batch.text.segment)


def test_nothing_is_scored_on_mismatched_pairs_when_asked() -> None:
    batch = captions([5, 5, 5])
    seen, targets = CaptionMLM(only_matched=True).corrupt(batch, batch, draw(3), VOCAB)
    assert torch.equal(seen.text.ids, CaptionMLM().corrupt(batch, batch, draw(3), VOCAB)[0].text.ids)
    assert not (row_of(batch.text.offsets)[targets.positions] == 1).any()
    none = dataclasses.replace(batch, matched=torch.zeros(3, dtype=torch.bool))
    assert CaptionMLM(only_matched=True).corrupt(none, none, draw(3), VOCAB)[1].count == 0


@torch.no_grad()
def test_a_written_word_does_not_see_what_follows() -> None:
    model, batch = model_of(PAGE), dataclasses.replace(captions([6]), pattern="seq2seq")
    ids = batch.text.ids.clone()
    ids[4] = VOCAB.first + (ids[4] + 1) % 7
    before, after = (
        model.trunk(batch),
        model.trunk(dataclasses.replace(batch, text=dataclasses.replace(batch.text, ids=ids))),
    )
    assert torch.equal(before.text[:4], after.text[:4])
    assert torch.equal(before.region, after.region)
    assert (before.text[4:] != after.text[4:]).any(1).all()
    assert Geometry(batch).blind("region", ("text",)) is None  # [CLS] is of the source


def view_of(logits: torch.Tensor, batch: Batch) -> View:
    return View(Encoded(logits, torch.zeros(0, 1), batch.text.offsets, batch.region.offsets), None, batch)


class Same(nn.Module):
    def forward(self, states: torch.Tensor, projection: int) -> torch.Tensor:
        return states + projection


def test_the_worst_rows_are_left_out() -> None:
    batch = captions([1, 1, 1, 1])
    logits = torch.zeros(12, VOCAB.size)
    positions = torch.tensor([1, 4, 7, 8])  # row 3 has none
    logits[4, 9], logits[7, 9], logits[8, 9] = -3.0, -1.0, 2.0
    targets = CaptionMLM().targets(positions, torch.full((4,), 9))
    each = nn.functional.cross_entropy(logits[positions], targets.values, reduction="none")
    whole = CaptionMLM().loss(Same(), view_of(logits, batch), targets)
    assert float(whole.mean) == pytest.approx(float(each.mean()), rel=1e-5)
    kept = CaptionMLM(drop=0.5).loss(Same(), view_of(logits, batch), targets)
    assert float(kept.mean) == pytest.approx(float(each[0]), rel=1e-4)  # the row without words is kept as well


def test_smoothed_targets() -> None:
    batch, positions = captions([2]), torch.tensor([1, 2])
    logits = torch.randn(4, VOCAB.size, generator=torch.Generator().manual_seed(0))
    targets = CaptionMLM().targets(positions, torch.tensor([7, 30]))
    found = CaptionMLM(smoothing=0.2).loss(Same(), view_of(logits, batch), targets)
    expected = 0.0
    for row, word in ((1, 7), (2, 30)):
        guess = logits[row].log_softmax(-1).tolist()
        for other in range(1, VOCAB.size):
            share = 0.8 if other == word else 0.2 / (VOCAB.size - 2)
            expected += share * (math.log(share) - guess[other])
    assert float(found.sum) == pytest.approx(expected, rel=1e-5)


def test_each_pattern_has_its_projection() -> None:
    words = nn.Embedding(VOCAB.size, 4)
    head, states = VocabularyHead(6, words, 1e-5, projections=4), torch.randn(3, 6)
    hidden = head.transform(states)
    assert hidden.shape == (3, 16)
    torch.testing.assert_close(head(states, 3), hidden[:, 12:] @ words.weight.T + head.bias)
    batch, logits = captions([1]), torch.zeros(3, VOCAB.size)
    objective = CaptionMLM(projections=4)
    for pattern, projection in (("full", 0), ("seq2seq", 3)):
        view = view_of(logits, dataclasses.replace(batch, pattern=pattern))
        assert (objective.scores(Same(), view, torch.tensor([1])) == projection).all()
    assert (CaptionMLM().scores(Same(), view, torch.tensor([1])) == 0).all()


def test_a_batch_without_words_to_score() -> None:
    batch = captions([3])
    loss = CaptionMLM().loss(Same(), view_of(torch.zeros(5, VOCAB.size), batch), _none())
    assert loss.mean == 0
    model = model_of(PAGE)
    assert model(corrupt((CaptionMLM(),), captions([3, 1]), draw(2), VOCAB))["mlm"].mean.isfinite()


def _none() -> Targets:
    return CaptionMLM().targets(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long))
