"""Beam search: the texts that a model finds most probable, found word by word."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from iconotext.core.errors import ConfigError


@dataclass(frozen=True)
class Search:
    """How texts are looked for."""

    beams: int = 5
    """Beginnings of a text that are kept from word to word; 1 takes the most probable word each time."""
    length_penalty: float = 0.0
    """Above 0 longer texts win: the log probability of N words is divided by ((5 + N) / 6) to this power."""
    no_repeat: int = 0
    """No sequence of so many words comes twice in a text; 0 forbids none."""

    def __post_init__(self) -> None:
        if self.beams < 1 or self.length_penalty < 0 or self.no_repeat < 0:
            raise ConfigError(
                f"--beams {self.beams} --length-penalty {self.length_penalty} --no-repeat {self.no_repeat}: give at least one "
                "beam, and nothing below 0."
            )

    def rank(self, score: float, words: int) -> float:
        """What texts are ordered by (Wu et al., 2016); ``words`` count the end."""
        return score / float(((5 + words) / 6) ** self.length_penalty)


USUAL, GREEDY = Search(), Search(beams=1)


Step = Callable[[Tensor, Tensor], Tensor]
"""From K beginnings of each of B texts [B, K, T], and which of those of the step before they go on from [B, K], to the log
probabilities of the next word [B, K, V]."""


@dataclass(frozen=True)
class Found:
    """A text without its end, and its log probability with it: the sum over its words."""

    words: list[int]
    score: float
    rank: float = field(repr=False)


def search(
    step: Step,
    texts: int,
    end: int,
    most: int,
    how: Search,
    never: Collection[int] = (),
    device: torch.device | str = "cpu",
) -> list[list[Found]]:
    """For each of so many texts those that were found, the best first; there is at least one.

    A text ends with the word ``end``, or unended at ``most`` words; words in ``never`` do not come. An ended text keeps its
    place among the best of its step and is not gone on from (Unified VLP's decoder). A search stops when no beginning can
    become better than the best text found. Of equals the better beginning and then the lower word comes first.
    """
    found: list[list[Found]] = [[] for _ in range(texts)]
    words = torch.zeros(texts, how.beams, 0, dtype=torch.long, device=device)
    parents = torch.arange(how.beams, device=device).repeat(texts, 1)
    scores = torch.full((texts, how.beams), -torch.inf, device=device)
    scores[:, 0] = 0.0  # the beginnings of a text are all the same at first
    forbidden = torch.tensor(sorted(never), dtype=torch.long, device=device)
    for length in range(1, most + 1):
        each = step(words, parents).index_fill(-1, forbidden, -torch.inf)
        if how.no_repeat:
            each = _without_repeats(each, words, how.no_repeat)
        scores, best = first_best((scores[..., None] + each).flatten(1), how.beams)
        parents, word = best // each.shape[-1], best % each.shape[-1]
        words = torch.cat([words.gather(1, parents[..., None].expand(-1, -1, length - 1)), word[..., None]], -1)
        ended = (word == end) | torch.full_like(word, length == most, dtype=torch.bool)
        for text, beam in (ended & scores.isfinite()).nonzero().tolist():
            score, said = float(scores[text, beam]), words[text, beam].tolist()
            found[text].append(Found(said[: -1 if said[-1] == end else None], score, how.rank(score, length)))
        scores = scores.masked_fill(ended, -torch.inf)
        reached = [max((one.rank for one in own), default=-torch.inf) for own in found]
        hopeful = [how.rank(score, most) > rank for score, rank in zip(scores.amax(1).tolist(), reached)]
        scores = scores.masked_fill(~torch.tensor(hopeful, device=device)[:, None], -torch.inf)
        if not any(hopeful):
            break
    return [sorted(own, key=lambda one: -one.rank) for own in found]


def first_best(scores: Float[Tensor, "B N"], count: int) -> tuple[Float[Tensor, "B K"], Int[Tensor, "B K"]]:
    """The highest scores in order and where they stand; of equal ones the first, which ``topk`` does not promise."""
    values, places = [], []
    for _ in range(count):
        place = scores.argmax(1, keepdim=True)
        values.append(scores.gather(1, place))
        places.append(place)
        scores = scores.scatter(1, place, -torch.inf)
    return torch.cat(values, 1), torch.cat(places, 1)


def _without_repeats(each: Float[Tensor, "B K V"], words: Int[Tensor, "B K T"], size: int) -> Float[Tensor, "B K V"]:
    """Words that would end a sequence of ``size`` words which stands there already become impossible."""
    length = words.shape[-1]
    last = words[..., length - size + 1 :]
    for begin in range(length - size + 1):
        same = (words[..., begin : begin + size - 1] == last).all(-1, keepdim=True)
        after = words[..., begin + size - 1, None]
        each = each.scatter(-1, after, each.gather(-1, after).masked_fill(same, -torch.inf))
    return each
