"""Texts with the regions of their images, and mismatched pairs made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.core.seed import Draw, uniform
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import TokenTable, Words

TRIES = 16
"""Draws after which a row that finds no mismatched partner stays matched."""


@dataclass(frozen=True)
class Drawn:
    """Which text and which image each row of a batch gets.

    ``text`` indexes ``PairTable.texts`` where ``swapped`` is False, ``PairTable.swapped`` where it is True.
    """

    text: NDArray[np.int64]
    image: NDArray[np.int64]
    matched: NDArray[np.bool_]
    swapped: NDArray[np.bool_]


class PairTable:
    """The texts of one split, each with its image; texts whose image has no regions are left out and counted."""

    def __init__(self, data: DataSet, split: str, words: Words, store: RegionStore, language: str = "") -> None:
        table = data.table("texts", split)
        image_ids = table["image_id"].to_pylist()
        languages = table["language"].to_pylist()
        keep = [i for i, name in enumerate(image_ids) if name in store and (not language or languages[i] == language)]
        self.left_out = len(image_ids) - len(keep)
        if not keep:
            raise DataError(
                f"{data.path}: no text of split {split!r} has an image with regions in {store.path}. "
                "Extract regions of this data set, or name the right store."
            )
        self.store = store
        self.images = sorted({image_ids[i] for i in keep})
        number = {name: i for i, name in enumerate(self.images)}
        self.image_of = np.array([number[image_ids[i]] for i in keep])
        column = table["text"].to_pylist()
        self.strings: list[str] = [column[i] for i in keep]
        self.ids: list[str] = [table["text_id"][i].as_py() for i in keep]
        kinds = table["kind"].to_pylist()
        self.kinds = [kinds[i] for i in keep]
        self.texts = words.encode(self.strings)
        swaps = table["swapped"].to_pylist() if "swapped" in table.column_names else None
        self.swapped = words.encode([swaps[i] or "" for i in keep]) if swaps is not None else None
        self._all = self.texts if self.swapped is None else TokenTable.joined([self.texts, self.swapped])
        keys: dict[str, int] = {}
        self._key = np.array([keys.setdefault(text, len(keys)) for text in self.strings])
        self._said = set(zip(self.image_of.tolist(), self._key.tolist()))
        self.region_counts = store.counts[store.rows(self.images)]

    def __len__(self) -> int:
        return len(self.strings)

    def lengths(self, max_words: int, max_regions: int) -> NDArray[np.int64]:
        """Tokens of each matched pair, words and regions: what the sampler sorts by."""
        regions = np.minimum(self.region_counts, max_regions)[self.image_of]
        total: NDArray[np.int64] = np.minimum(self.texts.lengths, max_words) + 2 + regions
        return total

    def draw(self, rows: NDArray[np.int64], draw: Draw, rate: float, replace: str, swapped: float) -> Drawn:
        """The rows as they are, or mismatched with probability ``rate``.

        A mismatched row gets an ``image`` or a ``text`` (``replace``) of another image, with which the data does not pair
        the same sentence; or, with probability ``swapped``, its own text with one word made false, where the data has that.
        """
        text, image = rows.copy(), self.image_of[rows]
        wrong = uniform(draw.keys("mismatch")) < rate
        exchanged = np.zeros(len(rows), np.bool_)
        if self.swapped is not None and swapped > 0:
            exchanged = wrong & (uniform(draw.keys("swap")) < swapped) & (self.swapped.lengths[rows] > 0)
        todo = wrong & ~exchanged
        for attempt in range(TRIES):
            if not todo.any():
                break
            number = uniform(draw.keys(f"partner {attempt}"))
            for i in np.flatnonzero(todo):
                if self._exchange(text, image, int(i), float(number[i]), replace):
                    todo[i] = False
        return Drawn(text, image, ~wrong | todo, exchanged)

    def _exchange(self, text: NDArray[np.int64], image: NDArray[np.int64], i: int, number: float, replace: str) -> bool:
        """Give row i another image or text, unless the data says that they belong together."""
        if replace == "image":
            other = int(number * len(self.images))
            if other == image[i] or (other, int(self._key[text[i]])) in self._said:
                return False
            image[i] = other
        else:
            candidate = int(number * len(self.strings))
            if self.image_of[candidate] == image[i] or (int(image[i]), int(self._key[candidate])) in self._said:
                return False
            text[i] = candidate
        return True

    def tokens(self, drawn: Drawn) -> TokenTable:
        """The tokens of drawn rows."""
        return self._all.rows(drawn.text + np.where(drawn.swapped, len(self.texts), 0))
