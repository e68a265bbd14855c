"""Next-sentence prediction: does the second sentence belong with the first?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from iconotext.objectives.base import Negatives
from iconotext.objectives.itm import ITM


@dataclass(frozen=True)
class NSP(ITM):
    """Two-way cross entropy on the pooled pair of sentences (Devlin et al., NAACL 2019).

    Corrupts: nothing by itself; ``negatives`` put a text of another image in the second sentence's place, in a layout of
        two sentences.
    Scores: every row.
    Loss: sum of -log p(label) / rows. ``matched`` names the index that means "belongs there": 0 in BERT.
    """

    name: ClassVar[str] = "nsp"
    negatives: Negatives = Negatives(0.5, "text")
    matched: int = 0
