"""Questions among the texts: their answers are drawn by their scores."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from toy_data import make_data, make_store, make_words

from iconotext.core.seed import Draw
from iconotext.data.asked import AskedTexts
from iconotext.data.pair import Drawn, PairTable

SCORES = ({3: 0.9, 0: 0.3}, {}, {5: 1.0}, {1: 0.0, 2: 0.6})
ASKED = AskedTexts(
    ids=[f"q{i}" for i in range(4)],
    images=["train-0", "train-0", "train-1", "train-2"],
    strings=["is there a dog", "is there a cat", "is there a cup", "is there a tree"],
    kinds=["exists"] * 4,
    scores=SCORES,
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairTable:
    folder: Path = tmp_path_factory.mktemp("toy")
    data, store = make_data(folder / "data"), make_store(folder / "store")
    return PairTable(data, "train", make_words(data), store, asked=ASKED)


def matched(pairs: PairTable, rows: np.ndarray, epoch: int) -> tuple[Drawn, Draw]:
    draw = Draw(0, epoch, np.arange(len(rows)))
    return pairs.draw(rows, draw, 0.0, "text", 0.0), draw


def test_an_answer_comes_as_often_as_its_score_says() -> None:
    found = Counter(ASKED.answer(0, (n + 0.5) / 1000) for n in range(1000))
    assert found == {3: 750, 0: 250}
    assert {ASKED.answer(1, 0.5), ASKED.answer(2, 0.999)} == {-1, 5}
    assert {ASKED.answer(3, n / 10) for n in range(10)} == {2}


def test_questions_come_after_the_texts_of_their_images(pairs: PairTable) -> None:
    first = len(pairs) - len(ASKED)
    assert pairs.strings[first:] == list(ASKED.strings)
    assert [pairs.images[pairs.image_of[first + i]] for i in range(4)] == list(ASKED.images)
    assert pairs.swapped is not None
    assert not pairs.swapped.lengths[first:].any()
    assert len(pairs.lengths(60, 36)) == len(pairs)


def test_captions_and_wrong_pairs_have_no_answer(pairs: PairTable) -> None:
    rows = np.arange(len(pairs))
    drawn, draw = matched(pairs, rows, 0)
    answers = pairs.answers(drawn, draw)
    assert answers.dtype == np.int64
    assert (answers[: -len(ASKED)] == -1).all()
    assert (answers[-4] in SCORES[0], answers[-3], answers[-2], answers[-1]) == (True, -1, 5, 2)
    wrong = dataclasses.replace(drawn, matched=np.zeros(len(rows), np.bool_))
    assert (pairs.answers(wrong, draw) == -1).all()


def test_an_answer_is_drawn_anew_each_epoch_and_whatever_the_batch(pairs: PairTable) -> None:
    row = len(pairs) - len(ASKED)
    seen = {int(pairs.answers(*matched(pairs, np.array([row]), epoch))[0]) for epoch in range(20)}
    assert seen == {3, 0}
    rows = np.full(6, row)
    drawn, draw = matched(pairs, rows, 0)
    alone = pairs.draw(rows[4:], Draw(0, 0, np.arange(4, 6)), 0.0, "text", 0.0)
    assert pairs.answers(drawn, draw)[4:].tolist() == pairs.answers(alone, draw).tolist()


def test_a_question_asked_of_another_image_has_no_answer(pairs: PairTable) -> None:
    rows = np.arange(len(pairs))
    draw = Draw(0, 0, rows)
    drawn = pairs.draw(rows, draw, 1.0, "text", 0.0)
    assert (drawn.text >= len(pairs) - len(ASKED)).any()
    assert (pairs.answers(drawn, draw)[~drawn.matched] == -1).all()
