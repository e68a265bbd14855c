"""BLEU-1 to 4, ROUGE-L and CIDEr-D of captions, digit for digit as the COCO caption evaluation has them.

Chen et al. (2015), `pycocoevalcap`, which needs Java for its tokeniser only; ours is ``ptb.tokenise``. Its oddities are part of
the metrics, and kept: BLEU adds 1e-15 to what matched and 1e-9 to what could; ROUGE-L takes the best precision and the
best recall of different references; CIDEr-D takes its word weights from the references at hand, so one picture alone scores 0.

METEOR and SPICE are missing: their official values need Java programs with WordNet and paraphrase tables.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from iconotext.core.errors import DataError

ORDERS = 4
"""The longest word sequences that count."""

_TINY, _SMALL = 1e-15, 1e-9
_BETA = 1.2
_SIGMA = 6.0

Grams = Counter[tuple[str, ...]]


@dataclass(frozen=True)
class CaptionScores:
    """The scores of each picture's caption, in order of ``images``, and of all.

    ``matched``, ``possible`` [I, 4] and ``lengths`` [I, 2] (caption, nearest reference) are what BLEU counts.
    """

    images: tuple[str, ...]
    rouge_l: NDArray[np.float64]
    cider: NDArray[np.float64]
    matched: Int[np.ndarray, "I 4"]
    possible: Int[np.ndarray, "I 4"]
    lengths: Int[np.ndarray, "I 2"]

    def bleu(self, rows: NDArray[np.int64] | slice = slice(None)) -> Float[np.ndarray, "4"]:
        """BLEU-1 to 4 of all captions together, or of some; not the mean over them."""
        return _bleu(self.matched[rows].sum(0), self.possible[rows].sum(0), self.lengths[rows].sum(0))

    def bleu_of_each(self) -> Float[np.ndarray, "I 4"]:
        """BLEU-1 to 4 of each caption on its own."""
        parts = zip(self.matched, self.possible, self.lengths)
        return np.array([_bleu(*part) for part in parts])


def evaluate(captions: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> CaptionScores:
    """The scores of one caption an image; all texts tokenised before, with single spaces between tokens.

    Raises:
        DataError: there is no caption, or an image has none, or no reference.
    """
    silent = [image for image in references if image not in captions]
    alone = [image for image in captions if not references.get(image)]
    if silent or alone or not captions:
        what = "captions" if silent or not captions else "references"
        raise DataError(f"there are no {what} of {len(silent or alone)} images, such as {(silent or alone)[:1]}")
    images = tuple(captions)
    said = [_grams(captions[image]) for image in images]
    given = [[_grams(text) for text in references[image]] for image in images]
    counts = [_counts(ours, theirs) for ours, theirs in zip(said, given)]
    return CaptionScores(
        images,
        np.array([rouge_l(captions[image], references[image]) for image in images]),
        _cider(said, given),
        np.array([matched for matched, _, _ in counts], np.int64),
        np.array([possible for _, possible, _ in counts], np.int64),
        np.array([lengths for _, _, lengths in counts], np.int64),
    )


def _grams(text: str) -> Grams:
    words = text.split()
    return Counter(tuple(words[i : i + n]) for n in range(1, ORDERS + 1) for i in range(len(words) - n + 1))


def _size(grams: Grams, order: int) -> int:
    return sum(count for gram, count in grams.items() if len(gram) == order)


def _counts(said: Grams, given: Sequence[Grams]) -> tuple[list[int], list[int], tuple[int, int]]:
    """What matched and what could, by order, and the caption's length with that of the reference nearest to it."""
    most: Grams = Counter()
    for reference in given:
        most |= reference
    matched = [0] * ORDERS
    for gram, count in said.items():
        matched[len(gram) - 1] += min(count, most[gram])
    length = _size(said, 1)
    nearest = min((abs(size - length), size) for size in (_size(reference, 1) for reference in given))[1]
    return matched, [max(0, length - k) for k in range(ORDERS)], (length, nearest)


def _bleu(
    matched: Int[np.ndarray, "4"], possible: Int[np.ndarray, "4"], lengths: Int[np.ndarray, "2"]
) -> Float[np.ndarray, "4"]:
    shares = np.cumprod((matched + _TINY) / (possible + _SMALL))
    ratio = (lengths[0] + _TINY) / (lengths[1] + _SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return shares ** (1 / np.arange(1, ORDERS + 1)) * brevity


def rouge_l(said: str, given: Sequence[str]) -> float:
    """ROUGE-L of a caption: its longest common subsequence with a reference; no text is one empty word, as in the original."""
    words = said.split(" ")
    pairs = [(_common(words, reference.split(" ")), len(reference.split(" "))) for reference in given]
    precision = max(common / len(words) for common, _ in pairs)
    recall = max(common / size for common, size in pairs)
    if not precision or not recall:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        before = row
        row = [0]
        for j, other in enumerate(b):
            row.append(before[j] + 1 if word == other else max(before[j + 1], row[j]))
    return row[-1]


def _cider(said: Sequence[Grams], given: Sequence[Sequence[Grams]]) -> NDArray[np.float64]:
    found = Counter(gram for references in given for gram in set().union(*references))
    images = math.log(len(given))

    def weighted(grams: Grams) -> tuple[dict[tuple[str, ...], float], NDArray[np.float64]]:
        weights = {gram: count * (images - math.log(max(1, found[gram]))) for gram, count in grams.items()}
        squares = np.zeros(ORDERS)
        for gram, weight in weights.items():
            squares[len(gram) - 1] += weight**2
        return weights, np.sqrt(squares)

    def likeness(ours: Grams, theirs: Grams) -> float:
        (mine, length), (other, other_length) = weighted(ours), weighted(theirs)
        dots = np.zeros(ORDERS)
        for gram, weight in mine.items():
            there = other.get(gram, 0.0)
            dots[len(gram) - 1] += min(weight, there) * there
        both = length * other_length
        cosines = np.divide(dots, both, out=dots, where=both != 0)
        # Lengths are compared in pairs of words, as the original does.
        apart = _size(ours, 2) - _size(theirs, 2)
        return float((cosines * math.e ** (-(apart**2) / (2 * _SIGMA**2))).mean())

    return np.array([10 * np.mean([likeness(a, b) for b in references]) for a, references in zip(said, given)])
