"""The official VQA metric: how answers are normalised, scored, and made into targets.

Normalisation and accuracy are those of the VQA evaluation code (Antol et al., ICCV 2015), soft targets those that
bottom-up attention's code made the custom (Teney et al., CVPR 2018). Their oddities are part of the metric, and kept:

- A full stop goes unless a digit follows it, at most 32 of them in one text; only ASCII digits count.
- Whether a mark is deleted or becomes a space is decided on the whole text as it was given.
- When all answers to a question are the same text, neither they nor the prediction are normalised.
- The vocabulary holds normalised answers, the targets count answers as they were given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

ANNOTATORS = 10
"""Answers of a question from which on they are one each of so many annotators, and not a list of right ones."""

SCORES = (0.0, 0.3, 0.6, 0.9, 1.0)
"""The soft score of an answer by how many annotators gave it; the last holds for all larger numbers."""

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA = re.compile(r"[0-9],[0-9]")
_STOP = re.compile(r"\.(?![0-9])")
_STOP_ANY = re.compile(r"\.(?!\d)")
_STOPS = 32

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORDS = {"none": "0"} | {word: str(number) for number, word in enumerate(_NUMBERS)}
_ARTICLES = frozenset({"a", "an", "the"})

_CONTRACTED = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's
how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've mustn't must've needn't not've o'clock
oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd
someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's
they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's where'd
where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll
y'all'd've you'd you'd've you'll you're you've
"""
_CONTRACTIONS = {
    word[:i] + word[i + 1 :]: word for word in _CONTRACTED.split() for i, letter in enumerate(word) if letter == "'"
} | {"somebody'd": "somebodyd"}
"""Each word with one of its apostrophes left out, to the whole word."""


@lru_cache(maxsize=1 << 16)
def without_marks(text: str) -> str:
    """``text`` without punctuation: each mark deleted or made a space, full stops deleted."""
    return _without_marks(text, _STOP)


def _without_marks(text: str, stop: re.Pattern[str]) -> str:
    joined = _DIGIT_COMMA.search(text) is not None
    out = text
    for mark in _MARKS:
        alone = f"{mark} " in text or f" {mark}" in text
        out = out.replace(mark, "" if alone or joined else " ")
    return stop.sub("", out, count=_STOPS)


@lru_cache(maxsize=1 << 16)
def in_plain_words(text: str) -> str:
    """``text`` in lower case, numbers to ten as digits, without articles, contractions with their apostrophes."""
    words = [_WORDS.get(word, word) for word in text.lower().split()]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def normalise(text: str) -> str:
    """An answer as the official accuracy compares it."""
    return in_plain_words(without_marks(text))


def vocabulary_form(text: str) -> str:
    """An answer as the vocabulary holds it: normalised, and without any comma that is left."""
    return normalise(text).replace(",", "")


def evalai_form(text: str) -> str:
    """An answer as MMF's processor compares it (Pythia, TextVQA): commas and question marks go first, "'s" stands alone.

    A comma never joins digits here, as it is gone before; and where the official code looks for ASCII digits only, this one
    leaves a full stop before a digit of any script.
    """
    plain = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return in_plain_words(_without_marks(_spaced(plain), _STOP_ANY))


def accuracy(prediction: str, answers: Sequence[str], records: Sequence[object] | None = None) -> float:
    """The official accuracy of a prediction: the mean over answers of min(1, matches among the *others* / 3).

    ``records`` tells answers apart that have the same text (annotator, confidence); equal ones count as one and the same,
    as in the original. Without it every answer is its own.
    """
    keys = range(len(answers)) if records is None else records
    said, given = _spaced(prediction), [_spaced(answer) for answer in answers]
    if len(set(given)) > 1:
        said, given = normalise(said), [normalise(answer) for answer in given]
    right = [(answer, key) for answer, key in zip(given, keys) if answer == said]
    everyone = Counter(zip(given, keys))
    total = sum(count * min(1.0, (len(right) - (record[0] == said) * count) / 3) for record, count in everyone.items())
    return total / len(given) if given else 0.0


def vocabulary(answers: Iterable[Iterable[str]], minimum: int) -> tuple[str, ...]:
    """The answers that at least ``minimum`` questions have, the most frequent first, in alphabetical order where equal."""
    counts = Counter(answer for given in answers for answer in set(given))
    return tuple(sorted((a for a, n in counts.items() if n >= minimum), key=lambda a: (-counts[a], a)))


def soft_targets(answers: Sequence[str], known: Collection[str]) -> dict[str, float]:
    """The score of each known answer by how many of the annotators gave it, word for word; may be empty."""
    counts = Counter(answers)
    return {answer: SCORES[min(n, len(SCORES) - 1)] for answer, n in counts.items() if answer in known}


def majority(answers: Sequence[str]) -> str:
    """The answer that most annotators gave; the first of them where several are equal."""
    return Counter(answers).most_common(1)[0][0]


def _spaced(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()
