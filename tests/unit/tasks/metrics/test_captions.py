from __future__ import annotations

import math

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.tasks.metrics.captions import evaluate
from iconotext.tasks.metrics.ptb import tokenise

REFERENCES = {"a": ["a dog runs on the grass", "a brown dog runs"], "b": ["two cats sleep", "two cats lie on a sofa"]}


def test_a_caption_that_is_a_reference_scores_one() -> None:
    scores = evaluate({"a": "a dog runs on the grass", "b": "two cats lie on a sofa"}, REFERENCES)
    assert scores.bleu() == pytest.approx(np.ones(4), abs=1e-8)
    assert scores.rouge_l == pytest.approx(np.ones(2))


def test_bleu_by_hand() -> None:
    scores = evaluate({"a": "a dog runs", "b": "two dogs sleep"}, REFERENCES)
    # 5 of 6 words are right; caption lengths 3 + 3, nearest references 4 + 3.
    assert scores.bleu()[0] == pytest.approx(5 / 6 * math.exp(1 - 7 / 6), abs=1e-8)
    assert scores.bleu_of_each()[1, 0] == pytest.approx(2 / 3, abs=1e-8)


def test_rouge_takes_the_best_of_each_reference_apart() -> None:
    scores = evaluate({"a": "a brown dog on the grass", "b": "two"}, REFERENCES)
    precision, recall = 5 / 6, 5 / 6
    assert scores.rouge_l[0] == pytest.approx((1 + 1.44) * precision * recall / (recall + 1.44 * precision))
    assert scores.rouge_l[1] == pytest.approx((1 + 1.44) * 1 * (1 / 3) / (1 / 3 + 1.44))


def test_cider_of_one_picture_is_nothing_and_of_others_words_too() -> None:
    assert evaluate({"a": "a dog runs"}, {"a": REFERENCES["a"]}).cider.tolist() == [0.0]
    assert evaluate({"a": "two cats sleep", "b": "a dog runs"}, REFERENCES).cider[0] == pytest.approx(0.0)


def test_a_picture_without_a_caption_or_a_reference_is_an_error() -> None:
    for captions, references in (({}, {}), ({"a": "x"}, {}), ({}, REFERENCES), ({"a": "x"}, {"a": []})):
        with pytest.raises(DataError):
            evaluate(captions, references)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A man, a plan.", "a man a plan"),
        ("It's Mr. Smith's t-shirt!", "it 's mr. smith 's t-shirt"),
        ("don't can't cannot", "do n't ca n't can not"),
        ("a U.S. flag (2019)", "a u.s. flag -lrb- 2019 -rrb-"),
        ("50% off, $5.00 and £20", "50 % off $ 5.00 and # 20"),
        ("a man/woman at 10:30 a.m.", "a man/woman at 10:30 a.m."),
        ("what?! no... “so”", "what ?! no so"),
        ("3 1/2 cups of rock 'n' roll", "3\xa01/2 cups of rock 'n' roll"),
        ("emoji 😀 and ★", "emoji and ★"),
        ("画像の犬 o'clock y'all", "画像の犬 o'clock y' all"),
        ("#1 fan of #cats @home", "# 1 fan of #cats @home"),
        ("", ""),
    ],
)
def test_words_as_the_java_program_divides_them(text: str, tokens: str) -> None:
    assert tokenise(text) == tokens
