"""What an objective needs to know of a vocabulary: its size and its special ids."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Vocab:
    """``size`` ids, of which [PAD], [UNK], [CLS], [SEP] and [MASK] are special; random tokens are drawn from ``first`` on."""

    size: int
    pad: int
    unknown: int
    begin: int
    separator: int
    mask: int
    first: int = 0
