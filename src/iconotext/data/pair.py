"""Texts with the regions of their images, and mismatched pairs made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.core.seed import Draw, uniform
from iconotext.data.asked import AskedTexts
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import TokenTable, Words

TRIES = 16
"""Draws after which a row that finds no mismatched partner stays matched."""


@dataclass(frozen=True)
class Drawn:
    """Which text and which image each row of a batch gets.

    ``text`` indexes ``PairTable.texts`` where ``swapped`` is False, ``PairTable.swapped`` where it is True. ``positions`` are
    the rows' in the epoch; ``group`` rows in a row are drawn from one.
    """

    text: NDArray[np.int64]
    image: NDArray[np.int64]
    matched: NDArray[np.bool_]
    swapped: NDArray[np.bool_]
    positions: NDArray[np.int64]
    group: int = 1


class PairTable:
    """The texts of one split, each with its image; texts whose image has no regions are left out and counted.

    The questions of ``asked``, all on images with regions, come after them as texts like others. ``only`` names the images
    that are taken, ``None`` all; without ``twins`` no text has one with a word made false. ``weights`` say how often each
    text is to come, as a column ``weight`` of the data does; ``None`` where it has none: once an epoch.
    """

    def __init__(
        self,
        data: DataSet,
        split: str,
        words: Words,
        store: RegionStore,
        language: str = "",
        asked: AskedTexts | None = None,
        *,
        only: Container[str] | None = None,
        twins: bool = True,
    ) -> None:
        table = data.table("texts", split)
        image_ids = table["image_id"].to_pylist()
        languages = table["language"].to_pylist()
        keep = [
            i
            for i, name in enumerate(image_ids)
            if name in store and (only is None or name in only) and (not language or languages[i] == language)
        ]
        self.left_out = len(image_ids) - len(keep)
        if not keep:
            raise DataError(
                f"{data.path}: no text of split {split!r} has an image with regions in {store.path}. "
                "Extract regions of this data set, or name the right store."
            )
        self.store, self.asked, self._first_question = store, asked or AskedTexts(), len(keep)
        owners = [*(image_ids[i] for i in keep), *self.asked.images]
        self.images = sorted(set(owners))
        number = {name: i for i, name in enumerate(self.images)}
        self.image_of = np.array([number[name] for name in owners])
        column = table["text"].to_pylist()
        self.strings: list[str] = [*(column[i] for i in keep), *self.asked.strings]
        self.ids: list[str] = [*(table["text_id"][i].as_py() for i in keep), *self.asked.ids]
        kinds = table["kind"].to_pylist()
        self.kinds = [*(kinds[i] for i in keep), *self.asked.kinds]
        self.texts = words.encode(self.strings)
        swaps = table["swapped"].to_pylist() if twins and "swapped" in table.column_names else None
        false = [] if swaps is None else [*(swaps[i] or "" for i in keep), *("" for _ in self.asked.ids)]
        self.swapped = words.encode(false) if swaps is not None else None
        self._all = self.texts if self.swapped is None else TokenTable.joined([self.texts, self.swapped])
        keys: dict[str, int] = {}
        self._key = np.array([keys.setdefault(text, len(keys)) for text in self.strings])
        self._by_image = np.argsort(self.image_of, kind="stable")
        count = np.bincount(self.texts.ids, minlength=words.vocab.size)
        self._rarity = -np.log((count + 1) / (count.sum() + len(count)))
        self._said = set(zip(self.image_of.tolist(), self._key.tolist()))
        self.region_counts = store.counts[store.rows(self.images)]
        said = table["weight"].to_pylist() if "weight" in table.column_names else None
        often = [] if said is None else [1.0 if said[i] is None else said[i] for i in keep]
        self.weights = None if said is None else np.array([*often, *(1.0 for _ in self.asked.ids)])

    def __len__(self) -> int:
        return len(self.strings)

    def lengths(self, max_words: int, max_regions: int) -> NDArray[np.int64]:
        """Tokens of each matched pair, words and regions: what the sampler sorts by."""
        regions = np.minimum(self.region_counts, max_regions)[self.image_of]
        total: NDArray[np.int64] = np.minimum(self.texts.lengths, max_words) + 2 + regions
        return total

    def draw(
        self, rows: NDArray[np.int64], draw: Draw, rate: float, replace: str, swapped: float, alike: int = 1
    ) -> Drawn:
        """The rows as they are, or mismatched with probability ``rate``.

        A mismatched row gets an ``image`` or a ``text`` (``replace``) of another image, with which the data does not pair
        the same sentence: of ``alike`` candidates the one whose text has most in common with the row's own. Or, with
        probability ``swapped``, its own text with one word made false, where the data has that.
        """
        text, image = rows.copy(), self.image_of[rows]
        wrong = uniform(draw.keys("mismatch")) < rate
        exchanged = np.zeros(len(rows), np.bool_)
        if self.swapped is not None and swapped > 0:
            exchanged = wrong & (uniform(draw.keys("swap")) < swapped) & (self.swapped.lengths[rows] > 0)
        todo = wrong & ~exchanged
        numbers = np.stack([uniform(draw.keys(f"partner {attempt}")) for attempt in range(TRIES + alike - 1)])
        candidates = (numbers * len(self)).astype(np.int64)
        for i in np.flatnonzero(todo):
            partner = self._partner(int(rows[i]), candidates[:, i], replace, alike)
            if partner is None:
                continue
            todo[i] = False
            if replace == "image":
                image[i] = self.image_of[partner]
            else:
                text[i] = partner
        return Drawn(text, image, ~wrong | todo, exchanged, draw.positions)

    def rewritten(self, rows: NDArray[np.int64], draw: Draw, positives: int, negatives: int) -> Drawn:
        """Groups with one image: a row's text, ``positives`` other texts of its image, ``negatives`` that are wrong for it.

        The first wrong one is the text with one word made false, where the data has that; the others are of other images. Of
        as many rows as a group has one is taken, so that a batch of groups is as large as one of pairs.
        """
        size = 1 + positives + negatives
        kept = draw.positions % size == 0
        kept[0] |= not kept.any()
        rows, draw = rows[kept], dataclasses.replace(draw, positions=draw.positions[kept])
        text, swapped = rows[:, None].repeat(size, 1), np.zeros((len(rows), size), np.bool_)
        matched = np.broadcast_to(np.arange(size) <= positives, swapped.shape).copy()
        if self.swapped is not None:
            swapped[:, 1 + positives : 2 + positives] = self.swapped.lengths[rows][:, None] > 0
        numbers = np.stack([uniform(draw.keys(f"rewrite {n}")) for n in range(TRIES * size)]).reshape(size, TRIES, -1)
        for i, row in enumerate(rows.tolist()):
            text[i, 1 : 1 + positives] = self._others(row, float(numbers[0, 0, i]), positives)
            for k in np.flatnonzero(~matched[i] & ~swapped[i]):
                partner = self._partner(row, (numbers[k, :, i] * len(self)).astype(np.int64), "text", 1)
                text[i, k], matched[i, k] = (row, True) if partner is None else (partner, False)
        image = self.image_of[rows].repeat(size)
        return Drawn(text.ravel(), image, matched.ravel(), swapped.ravel(), draw.positions.repeat(size), size)

    def second(self, rows: NDArray[np.int64], drawn: Drawn, draw: Draw) -> TokenTable:
        """The second text of rows that want two: a row's wrong text where it was given one, else another text of its image."""
        number = uniform(draw.keys("second text"))
        others = np.array([self._others(row, float(n), 1)[0] for row, n in zip(rows.tolist(), number)], np.int64)
        wrong = drawn.swapped | (drawn.text != rows)
        return self.tokens(dataclasses.replace(drawn, text=np.where(wrong, drawn.text, others)))

    def _others(self, row: int, number: float, count: int) -> NDArray[np.int64]:
        """``count`` other texts of the row's image, each as often as has to be; the row's own where there is no other."""
        image = self.image_of[row]
        texts = self._by_image[slice(*np.searchsorted(self.image_of, [image, image + 1], sorter=self._by_image))]
        others = texts[texts != row] if len(texts) > 1 else texts
        return others[(int(number * len(others)) + np.arange(count)) % len(others)]

    def _partner(self, row: int, candidates: NDArray[np.int64], replace: str, alike: int) -> int | None:
        """The most alike of the first ``alike`` candidates that the data does not pair with this row; None without any."""
        own, key = int(self.image_of[row]), int(self._key[row])
        free: list[int] = []
        for candidate in candidates.tolist():
            other = int(self.image_of[candidate])
            pair = (other, key) if replace == "image" else (own, int(self._key[candidate]))
            if other != own and pair not in self._said:
                free.append(candidate)
                if len(free) == alike:
                    break
        if not free:
            return None
        if len(free) == 1:
            return free[0]
        words = self._words(row)
        return max(free, key=lambda candidate: self._likeness(words, self._words(candidate)))

    def _words(self, row: int) -> set[int]:
        ids: list[int] = self.texts.ids[self.texts.offsets[row] : self.texts.offsets[row + 1]].tolist()
        return set(ids)

    def _likeness(self, one: set[int], other: set[int]) -> float:
        """How much of what either says both say, rare words counting more: Jaccard weighted by -log of the frequency."""
        rarity = self._rarity
        return float(rarity[list(one & other)].sum() / rarity[list(one | other)].sum())

    def answers(self, drawn: Drawn, draw: Draw) -> NDArray[np.int64]:
        """The number of an answer for each drawn row, in proportion to the scores; -1 without one, or on a wrong image."""
        number = uniform(dataclasses.replace(draw, positions=drawn.positions).keys("answer"))
        found = np.full(len(drawn.text), -1)
        for i in np.flatnonzero(drawn.matched & (drawn.text >= self._first_question)):
            found[i] = self.asked.answer(int(drawn.text[i]) - self._first_question, float(number[i]))
        return found

    def tokens(self, drawn: Drawn) -> TokenTable:
        """The tokens of drawn rows."""
        return self._all.rows(drawn.text + np.where(drawn.swapped, len(self.texts), 0))
