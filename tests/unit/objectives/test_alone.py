"""Words guessed from words alone: regions are gone, the rest is masked language modelling."""

from __future__ import annotations

import numpy as np
import torch
from samples import PAGES, VOCAB, batch_of, equal, model_of, tiny

from iconotext.core.seed import Draw
from iconotext.objectives.alone import TextAlone, without_regions
from iconotext.objectives.mix import OneAtATime, Together, choose, corrupt, objectives
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.systems.vl_bert import VL_BERT

BATCH = batch_of(PAGES["uniter"], [9, 4, 7], [3, 0, 2])
DRAW = Draw(0, 0, np.arange(3))
WORDS = MLM(0.4, whole_word=True)


def test_regions_are_taken_away_and_words_are_hidden_as_ever() -> None:
    corrupted, targets = TextAlone(WORDS).corrupt(BATCH, BATCH, DRAW, VOCAB)
    expected, same = WORDS.corrupt(BATCH, BATCH, DRAW, VOCAB)
    assert equal(targets, same)
    assert equal(corrupted.text, expected.text)
    assert corrupted.region.features.shape == (0, BATCH.region.features.shape[1])
    assert corrupted.region.offsets.tolist() == [0, 0, 0, 0]
    assert len(BATCH.region.masked) == 5  # what it was given is left alone


def test_it_shares_its_name_and_head_with_the_words_of_pairs() -> None:
    mix = OneAtATime(((1, Together((WORDS, MRC()))), (1, TextAlone(WORDS))))
    assert [o.name for o in objectives(mix)] == ["mlm", "mrc_soft"]
    drawn = [choose(mix, 0, index, 1000) for index in range(1000)]
    alone = sum(isinstance(parts[0], TextAlone) for parts in drawn)
    assert 420 < alone < 580
    assert all(len(parts) == (1 if isinstance(parts[0], TextAlone) else 2) for parts in drawn)


def test_a_model_without_pictures_learns_its_vector_for_none() -> None:
    page = tiny(VL_BERT, TextAlone(WORDS))
    model = model_of(page)
    losses = model(corrupt((TextAlone(WORDS),), batch_of(page, [9, 4], [3, 2]), Draw(0, 0, np.arange(2)), VOCAB))
    losses["mlm"].mean.backward()
    looks = model.trunk.text.looks
    assert looks.alone.weight.grad.any()
    appearance = model.trunk.region.appearance.linear.weight.grad
    assert appearance is None or not appearance.any()


def test_no_regions_have_the_same_shapes() -> None:
    region = without_regions(BATCH.region)
    assert region.location.shape == (0, BATCH.region.location.shape[1])
    assert region.class_probs.dtype == BATCH.region.class_probs.dtype
    assert torch.equal(region.offsets, torch.zeros(4, dtype=torch.long))
