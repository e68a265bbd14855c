"""Questions that stand among the texts of a data set, with the answers that people gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AskedTexts:
    """Questions with their images; ``scores`` gives each the scores of its answers by number, empty where none is known."""

    ids: Sequence[str] = ()
    images: Sequence[str] = ()
    strings: Sequence[str] = ()
    kinds: Sequence[str] = ()
    scores: Sequence[Mapping[int, float]] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def answer(self, row: int, number: float) -> int:
        """The answer that a number in [0, 1) draws, each in proportion to its score; -1 where none is known."""
        scores = self.scores[row]
        rest = number * sum(scores.values())
        for answer, score in scores.items():
            rest -= score
            if rest < 0:
                return answer
        return list(scores)[-1] if scores else -1
