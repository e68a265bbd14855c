"""Texts to tokens: a WordPiece tokenizer, trained on the user's texts or taken from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers import decoders as tokenizer_decoders

from iconotext.core.errors import DataError
from iconotext.core.vocab import Vocab

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
OTHERWISE = {"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}
"""What RoBERTa and XLM-R call them."""

Segmenter = Callable[[str], Iterable[str]]
"""Cuts a text into its words, in order and as they stand there; white space may be left out."""


@dataclass(frozen=True)
class TokenTable:
    """Many texts as tokens, one after the other: row i is ``offsets[i]:offsets[i + 1]``; no special tokens.

    ``word`` numbers the words within each text, so that the pieces of one word share a number. ``link`` is the number of the
    region that each token names, -1 for none; ``None`` where the data says nothing of it.
    """

    ids: NDArray[np.int32]
    word: NDArray[np.int32]
    offsets: NDArray[np.int64]
    link: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text."""
        return np.diff(self.offsets)

    def rows(self, chosen: NDArray[np.int64]) -> TokenTable:
        """The table of some of the rows, in the order given; rows may repeat."""
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], lengths.cumsum()])
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], lengths)
        return TokenTable(self.ids[index], self.word[index], offsets, None if self.link is None else self.link[index])

    def links(self) -> NDArray[np.int64]:
        """The region that each token names, -1 for none."""
        return np.full(len(self.ids), -1) if self.link is None else self.link

    def beside(self, other: TokenTable, separator: int, most: int) -> TokenTable:
        """Row by row this text, ``separator`` and the other's: at most ``most`` tokens, the longer text cut at its end."""
        room = most - 1
        first = np.minimum(self.lengths, np.maximum(room - other.lengths, (room + 1) // 2))
        lengths = first + 1 + np.minimum(other.lengths, room - first)
        offsets = np.concatenate([[0], lengths.cumsum()])
        row = np.repeat(np.arange(len(first)), lengths)
        within, mine = np.arange(offsets[-1]) - offsets[:-1][row], first[row]
        theirs = len(self.ids) + other.offsets[:-1][row] + within - mine - 1
        between = len(self.ids) + len(other.ids)
        source = np.select([within < mine, within > mine], [self.offsets[:-1][row] + within, theirs], between)
        word = np.concatenate([self.word, other.word, [0]])[source] + (within >= mine) * mine + (within > mine)
        ids = np.concatenate([self.ids, other.ids, [separator]])[source]
        link = None
        if self.link is not None or other.link is not None:
            link = np.concatenate([self.links(), other.links(), [-1]])[source]
        return TokenTable(ids.astype(np.int32), word.astype(np.int32), offsets, link)

    @staticmethod
    def joined(tables: Sequence[TokenTable]) -> TokenTable:
        """All rows of several tables."""
        starts = np.cumsum([0, *(len(table.ids) for table in tables)])
        offsets = [table.offsets[:-1] + start for table, start in zip(tables, starts)]
        return TokenTable(
            np.concatenate([table.ids for table in tables]),
            np.concatenate([table.word for table in tables]),
            np.concatenate([*offsets, starts[-1:]]),
            np.concatenate([t.links() for t in tables]) if any(t.link is not None for t in tables) else None,
        )


class Words:
    """A tokenizer and its special ids.

    What counts as a word, whose pieces are masked together, is the tokenizer's own (white space, punctuation, every Chinese
    character), or what ``segment`` cuts out.
    """

    def __init__(self, tokenizer: Tokenizer, segment: Segmenter | None = None) -> None:
        self.tokenizer, self.segment = tokenizer, segment
        tokenizer.no_padding()  # published files may pad and cut; here both are the batch's work
        tokenizer.no_truncation()
        found = {
            n: next((i for i in map(tokenizer.token_to_id, (n, OTHERWISE[n])) if i is not None), None) for n in SPECIAL
        }
        ids = {name: number for name, number in found.items() if number is not None}
        missing = sorted(set(SPECIAL) - set(ids))
        if missing:
            raise DataError(f"The tokenizer has no token {', '.join(missing)}; a BERT vocabulary has all of {SPECIAL}.")
        self.vocab = Vocab(
            size=tokenizer.get_vocab_size(),
            pad=ids["[PAD]"],
            unknown=ids["[UNK]"],
            begin=ids["[CLS]"],
            separator=ids["[SEP]"],
            mask=ids["[MASK]"],
            first=max(ids.values()) + 1 if sorted(ids.values()) == list(range(len(ids))) else 0,
        )

    @classmethod
    def load(cls, path: Path, segment: Segmenter | None = None) -> Words:
        """From a ``tokenizer.json``, or a BERT ``vocab.txt``.

        Raises:
            DataError: the file is missing or is no tokenizer.
        """
        if not path.is_file():
            raise DataError(f"{path} does not exist: name a tokenizer.json or a BERT vocab.txt.")
        if path.suffix == ".txt":
            names = path.read_text("utf-8").splitlines()
            return cls(_wordpiece({n: i for i, n in enumerate(names)}, lowercase=names.count("the") > 0), segment)
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise DataError(f"{path} is no tokenizer file: {error}") from error
        return cls(tokenizer, segment)

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Words:
        """A lower-casing WordPiece vocabulary of at most ``size`` pieces, the same for the same texts.

        Words are cut at white space, punctuation and around every Chinese character, as BERT does.
        """
        tokenizer, lines = _wordpiece({}, lowercase=True), list(texts)
        # The trainer numbers the inner characters in the order of a randomly seeded hash map, and breaks ties by number.
        # Handed in as special tokens they have their numbers beforehand; the tokenizer made of the result forgets that.
        first = [*SPECIAL, *(f"##{character}" for character in _inner_characters(tokenizer, lines))]
        trainer = trainers.WordPieceTrainer(
            vocab_size=max(size, len(first)), min_frequency=2, special_tokens=first, show_progress=False
        )
        tokenizer.train_from_iterator(lines, trainer)
        return cls(_wordpiece(tokenizer.get_vocab(), lowercase=True))

    def encode(self, texts: Sequence[str]) -> TokenTable:
        """Tokens of the texts, without [CLS] and [SEP]; "[MASK]" in a text is the mask token."""
        mask = self.token(self.vocab.mask)
        lines = [text.replace("[MASK]", mask) for text in texts]
        found = self.tokenizer.encode_batch(lines, add_special_tokens=False)
        lengths = [len(item.ids) for item in found]
        ids = np.fromiter((i for item in found for i in item.ids), np.int32, sum(lengths))
        if self.segment is None:
            words = (_number(w) for item in found for w in item.word_ids)
        else:
            words = (w for text, item in zip(lines, found) for w in _segmented(self.segment, text, item.offsets))
        word = np.fromiter(words, np.int32, sum(lengths))
        return TokenTable(ids, word, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64))

    def ends(self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]) -> list[NDArray[np.int64]]:
        """For each text the number of the last token of each of its spans of letters (begin, end).

        Where nothing of a span became a token it is the token before it, -1 at the beginning of the text.
        """
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        starts = [np.array([begin for begin, _ in item.offsets]) for item in found]
        last = [np.array([end for _, end in row], np.int64) for row in spans]
        return [np.searchsorted(mine, row) - 1 for mine, row in zip(starts, last, strict=True)]

    def token(self, number: int) -> str:
        """The piece of an id."""
        return str(self.tokenizer.id_to_token(number))

    def decode(self, ids: Sequence[int]) -> str:
        """The pieces joined to words again."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``."""
        self.tokenizer.save(str(path))


def _inner_characters(tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    """The characters that stand inside or at the end of a word, sorted."""
    inner: set[str] = set()
    for word in {word for text in texts for word in tokenizer.normalizer.normalize_str(text).split()}:
        for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(word):
            inner.update(part[1:])
    return sorted(inner)


def _segmented(segment: Segmenter, text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """For each piece the number of the segment that it begins in.

    Raises:
        DataError: a segment does not stand in the text.
    """
    starts, end = [], 0
    for part in segment(text):
        start = text.find(part, end)
        if start < 0:
            raise DataError(f"The segmenter made {part!r} of {text!r}, which does not stand there.")
        starts.append(start)
        end = start + len(part)
    numbers = np.searchsorted(np.array(starts), [begin for begin, _ in offsets], side="right") - 1
    return [int(number) for number in numbers.clip(min=0)]


def _number(word: int | None) -> int:
    return 0 if word is None else word


def _wordpiece(vocabulary: dict[str, int], lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = tokenizer_decoders.WordPiece()
    if vocabulary:
        tokenizer.add_special_tokens([name for name in SPECIAL if name in vocabulary])
    return tokenizer
