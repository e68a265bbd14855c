"""From rows of texts and regions to a packed batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from iconotext.core.batch import END, TASK, Batch, Region, Text, row_of
from iconotext.core.vocab import Vocab
from iconotext.data.store import PackedRegions
from iconotext.data.words import TokenTable

Sees = Literal["both", "text", "picture"]
"""What a model is shown of a pair; the regions or the words are left out of the others."""


@dataclass(frozen=True)
class Seating:
    """How a system wants its pairs: what ``Layout`` says, with the location encoding as a function of boxes and sizes.

    ``second_segment`` is the segment of the second of two ``sentences``. A model that ``sees`` only the text has rows without
    regions, one that sees only the picture has texts without words.
    """

    vocab: Vocab
    locate: Callable[
        [Float[Tensor, "M 4"], Float[Tensor, "M 2"], Float[Tensor, "M"], Int[Tensor, "M"]], Float[Tensor, "M L"]
    ]
    whole_image: bool
    region_segment: int
    max_words: int
    max_regions: int
    end_token: bool = False
    image_first: bool = False
    link_whole: bool = False
    sentences: int = 1
    second_segment: int = 1
    task: int | None = None
    sees: Sees = "both"

    @property
    def most_words(self) -> int:
        """Words of a row that are read."""
        return 0 if self.sees == "picture" else self.max_words

    @property
    def most_regions(self) -> int:
        """Regions of a row that are read."""
        return 0 if self.sees == "text" else self.max_regions

    @property
    def before(self) -> int:
        """Special tokens before the words of a row."""
        return 1 + self.image_first + (self.task is not None)

    def phrases(self, text: Text, tokens: TokenTable, last: Sequence[NDArray[np.int64]]) -> Int[Tensor, "B P"]:
        """Where the phrases of each row, which end with the tokens ``last`` of its text, are read in the packed words.

        A phrase that was cut off is read at the last word that is left; without words, at the special token before them.
        -1 where a row has no more phrases.
        """
        kept = np.minimum(tokens.lengths, self.most_words)
        begins = text.offsets[:-1].tolist()
        out = np.full((len(last), max((len(row) for row in last), default=0)), -1)
        for i, row in enumerate(last):
            out[i, : len(row)] = begins[i] + self.before + np.minimum(row, kept[i] - 1)
        return torch.from_numpy(out)

    def batch(
        self,
        tokens: TokenTable,
        regions: PackedRegions,
        matched: NDArray[np.bool_],
        positions: NDArray[np.int64],
        group: int = 1,
        answers: NDArray[np.int64] | None = None,
    ) -> Batch:
        """The batch of B texts and the regions of B images, row by row; ``answers`` number those of questions."""
        text, region = self.text(tokens), self.region(regions)
        return Batch(
            text=text,
            region=region if tokens.link is None else replace(region, linked=named_by(text, region)),
            matched=torch.from_numpy(matched),
            position=torch.from_numpy(positions),
            group=group,
            answers=torch.full((len(matched),), -1) if answers is None else torch.from_numpy(answers),
        )

    def text(self, tokens: TokenTable) -> Text:
        """[CLS], at most ``max_words`` tokens, [SEP]; longer texts lose their end. No rows, or empty ones, are fine.

        With ``end_token`` [END] comes last, one place on, so that the regions have a place before it. With ``image_first``
        there is a [SEP] after [CLS] as well, ``max_regions`` places on: these two are of the source, and the words begin
        after them, in segment 1, with a last [SEP] that may be hidden as any word. With 2 ``sentences`` what follows a [SEP]
        within the tokens is in segment 1. With ``link_whole`` [CLS] names the first region. The token of a ``task`` comes after
        [CLS]; the words keep their places.
        """
        kept = np.minimum(tokens.lengths, self.most_words)
        named = self.task is not None
        before, after = self.before, 1 + self.end_token
        lengths = kept + before + after
        offsets = np.concatenate([[0], lengths.cumsum()])
        row = np.repeat(np.arange(len(kept)), lengths)
        within = np.arange(offsets[-1]) - offsets[:-1][row]
        special = (within < before) | (within >= lengths[row] - after)
        source = (tokens.offsets[:-1][row] + within - before)[~special]
        ids = np.where(within == 0, self.vocab.begin, self.vocab.separator)
        ids[~special] = tokens.ids[source]
        link = np.where((within == 0) & self.link_whole, 0, -1)
        if tokens.link is not None:
            named_regions = tokens.link[source]
            there = (named_regions >= 0) & (named_regions < self.most_regions)
            link[~special] = np.where(there, named_regions + self.whole_image, -1)
        between = ~special & (ids == self.vocab.separator) & (self.sentences == 2)
        second = between.cumsum() - between
        second -= second[offsets[:-1]][row]
        # A word's number in the batch: rows are far enough apart that no two words share one.
        word = np.zeros_like(within)
        word[~special] = tokens.word[source] + 1
        last = within == lengths[row] - 1
        word[last] = self.max_words + 1
        word += row * (int(word.max(initial=0)) + 2)
        if self.end_token:
            ids[last] = END
        if self.task is not None:
            ids[within == 1] = TASK - self.task
        if self.image_first:
            special = special & ~last
        is_mask = ids == self.vocab.mask
        words_segment = np.where(second > 0, self.second_segment, (within > 1) & self.image_first)
        segment = np.where(last & self.end_token, self.region_segment, words_segment)
        place = within - ((within > 0) & named)
        position = place + (last & self.end_token) + self.max_regions * ((within > 0) & self.image_first)
        return Text(
            ids=torch.from_numpy(ids.astype(np.int64)),
            position=torch.from_numpy(position),
            segment=torch.from_numpy(segment.astype(np.int64)),
            word=torch.from_numpy(word),
            special=torch.from_numpy(special | is_mask | between),
            link=torch.from_numpy(link),
            offsets=torch.from_numpy(offsets),
            source=torch.from_numpy((within < 2) & self.image_first),
        )

    def region(self, regions: PackedRegions) -> Region:
        """At most ``max_regions`` regions of each image, with the whole image before them where the system has it."""
        index, whole, offsets = self._places(regions.offsets)
        boxes = regions.boxes[index]
        row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        sizes = regions.sizes[row].astype(np.float32)
        features = regions.features[index].astype(np.float32)
        class_probs, attributes = regions.class_probs[index], regions.attributes[index]
        scores, sure = regions.scores[index], regions.attribute_scores[index]
        if self.whole_image:
            boxes[whole, :2], boxes[whole, 2:] = 0.0, sizes[whole]
            features[whole] = 0.0
            total = np.add.reduceat(features, np.flatnonzero(whole), axis=0) if len(whole) else features[:0]
            features[whole] = total / (np.diff(offsets)[row[whole]] - 1)[:, None]
            class_probs[whole], attributes[whole] = 0, -1
        box_tensor = torch.from_numpy(boxes)
        return Region(
            features=torch.from_numpy(features),
            boxes=box_tensor,
            location=self.locate(box_tensor, torch.from_numpy(sizes), torch.from_numpy(scores), torch.from_numpy(row)),
            segment=torch.full((len(row),), self.region_segment),
            class_probs=torch.from_numpy(class_probs),
            attributes=torch.from_numpy(attributes.astype(np.int64)),
            attribute_scores=torch.from_numpy(sure),
            masked=torch.zeros(len(row), dtype=torch.bool),
            whole=torch.from_numpy(whole),
            offsets=torch.from_numpy(offsets),
        )

    def _places(self, stored: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """For each token of the batch the stored region it is made from, whether it is a whole image, and the offsets.

        An image without regions has no token of the whole image either.
        """
        kept = np.minimum(np.diff(stored), self.most_regions)
        extra = int(self.whole_image)
        lengths = np.where(kept > 0, kept + extra, 0)
        offsets = np.concatenate([[0], lengths.cumsum()])
        row = np.repeat(np.arange(len(kept)), lengths)
        within = np.arange(offsets[-1]) - offsets[:-1][row]
        whole = (within == 0) & bool(extra)
        return stored[:-1][row] + np.maximum(within - extra, 0), whole, offsets


def no_regions(rows: int, like: PackedRegions) -> PackedRegions:
    """The regions of ``rows`` images that have none: a text-only batch for a model trained on ``like``."""
    empty = {
        name: getattr(like, name)[:0]
        for name in ("boxes", "scores", "features", "class_probs", "attributes", "attribute_scores")
    }
    return PackedRegions(sizes=np.ones((rows, 2), np.int32), offsets=np.zeros(rows + 1, np.int64), **empty)


def named_by(text: Text, region: Region) -> Int[Tensor, "M A"]:
    """For each region the positions of the words that name it, -1 where there are no more."""
    named = (text.link >= 0).nonzero()[:, 0]
    target = region.offsets[row_of(text.offsets)[named]] + text.link[named]
    within = target < region.offsets[row_of(text.offsets)[named] + 1]
    named, target = named[within], target[within]
    order = torch.argsort(target, stable=True)
    named, target = named[order], target[order]
    nth = torch.arange(target.numel()) - torch.searchsorted(target, target)
    found = torch.full((region.segment.numel(), int(nth.max()) + 1 if nth.numel() else 0), -1)
    found[target, nth] = text.position[named]
    return found
