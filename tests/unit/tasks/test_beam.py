"""Beam search against trying everything, on models so small that one can."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from iconotext.core.errors import ConfigError
from iconotext.tasks.beam import GREEDY, Search, first_best, search

WORDS, MOST, END = 4, 4, 1


class Toy:
    """The next word hangs on the last two; another table for each text. Counts what it is asked, and checks the parents."""

    def __init__(self, seed: int, texts: int = 1) -> None:
        random = torch.Generator().manual_seed(seed)
        tables = torch.randn(texts, WORDS + 1, WORDS + 1, WORDS, generator=random, dtype=torch.float64)
        self.tables = (2 * tables).log_softmax(-1)
        self.before: Tensor | None = None
        self.asked = 0

    def after(self, text: int, words: list[int]) -> Tensor:
        last = [WORDS, WORDS, *words][-2:]
        return self.tables[text, last[0], last[1]]

    def __call__(self, words: Tensor, parents: Tensor) -> Tensor:
        if self.before is not None:
            assert torch.equal(words[..., :-1], self.before.gather(1, parents[..., None].expand_as(words[..., :-1])))
        self.before, self.asked = words, self.asked + 1
        rows = [[self.after(text, beam) for beam in beams] for text, beams in enumerate(words.tolist())]
        return torch.stack([torch.stack(row) for row in rows]).float()

    def score(self, text: int, said: tuple[int, ...]) -> float:
        return sum(float(self.after(text, list(said[:i]))[word]) for i, word in enumerate(said))

    def everything(self, text: int, how: Search) -> dict[tuple[int, ...], float]:
        """Every text with what it is ranked by; ended ones with their end."""
        others = [word for word in range(WORDS) if word != END]
        ended = [(*said, END) for n in range(MOST) for said in itertools.product(others, repeat=n)]
        cut = list(itertools.product(others, repeat=MOST))
        kept = [said for said in ended + cut if not repeats(said, how.no_repeat)]
        return {said: how.rank(self.score(text, said), len(said)) for said in kept}


def repeats(said: tuple[int, ...], size: int) -> bool:
    parts = [said[i : i + size] for i in range(len(said) - size + 1)]
    return bool(size) and len(set(parts)) < len(parts)


def ended(words: list[int]) -> tuple[int, ...]:
    return tuple(words) if len(words) == MOST else (*words, END)


WIDE = WORDS**MOST


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.6, 2.0]), st.sampled_from([0, 1, 2]))
def test_a_wide_beam_finds_what_trying_everything_finds(seed: int, penalty: float, no_repeat: int) -> None:
    toy, how = Toy(seed, texts=2), Search(WIDE, penalty, no_repeat)
    for text, found in enumerate(search(toy, 2, END, MOST, how)):
        best = max(toy.everything(text, how).values())
        assert found[0].rank == pytest.approx(best, abs=1e-5)
        assert toy.everything(text, how)[ended(found[0].words)] == pytest.approx(best, abs=1e-5)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from([0.0, 1.0]))
def test_a_score_is_the_sum_over_its_words(seed: int, beams: int, penalty: float) -> None:
    toy, how = Toy(seed), Search(beams, penalty)
    (found,) = search(toy, 1, END, MOST, how)
    assert [text.rank for text in found] == sorted((text.rank for text in found), reverse=True)
    for text in found:
        assert text.score == pytest.approx(toy.score(0, ended(text.words)), abs=1e-5)
    assert len({tuple(text.words) for text in found}) == len(found)


@given(st.integers(0, 10_000))
def test_one_beam_takes_the_best_word_each_time(seed: int) -> None:
    toy, said = Toy(seed), []
    while len(said) < MOST and (not said or said[-1] != END):
        said.append(int(toy.after(0, said).argmax()))
    ((found,),) = search(toy, 1, END, MOST, GREEDY)
    assert ended(found.words) == tuple(said)


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_texts_do_not_know_of_each_other(seed: int, beams: int) -> None:
    toy = Toy(seed, texts=3)
    together = search(toy, 3, END, MOST, Search(beams))
    for text in range(3):
        alone = Toy(seed, texts=3)
        alone.tables = alone.tables[text : text + 1]
        assert search(alone, 1, END, MOST, Search(beams))[0][0] == together[text][0]


def test_of_equals_the_first_comes_first() -> None:
    def equal(words: Tensor, parents: Tensor) -> Tensor:
        return torch.full((*parents.shape, WORDS), 0.25).log()

    ((first, *_),) = search(equal, 1, END, MOST, Search(3))
    assert first.words == []
    ((first, *_),) = search(equal, 1, WORDS - 1, MOST, Search(3, length_penalty=9.0))
    assert first.words == [0] * MOST
    values, places = first_best(torch.tensor([[1.0, 2.0, 2.0, 0.0], [3.0, 3.0, 3.0, 3.0]]), 3)
    assert places.tolist() == [[1, 2, 0], [0, 1, 2]]
    assert values.tolist() == [[2.0, 2.0, 1.0], [3.0, 3.0, 3.0]]


def test_what_may_not_come_does_not_come() -> None:
    toy = Toy(3)
    (found,) = search(toy, 1, END, MOST, Search(4), never={0, 2})
    assert {word for text in found for word in text.words} <= {3}


def test_a_search_stops_when_nothing_can_become_better() -> None:
    toy = Toy(0)
    toy.tables[:] = torch.tensor([0.05, 0.9, 0.03, 0.02]).log()
    (found,) = search(toy, 1, END, MOST, Search(3))
    assert (found[0].words, toy.asked) == ([], 1)


@pytest.mark.parametrize("wrong", [{"beams": 0}, {"length_penalty": -1.0}, {"no_repeat": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="--beams"):
        Search(**wrong)  # type: ignore[arg-type]
