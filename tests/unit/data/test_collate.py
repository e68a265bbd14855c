from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iconotext.core.batch import END, TASK
from iconotext.core.vocab import Vocab
from iconotext.data.collate import Seating, no_regions
from iconotext.data.store import PackedRegions
from iconotext.data.words import TokenTable
from iconotext.nn.location import encode_location
from iconotext.nn.pattern import Geometry

VOCAB = Vocab(size=50, pad=0, unknown=1, begin=2, separator=3, mask=4, first=5)


def seats(whole: bool, words: int = 6, regions: int = 5) -> Seating:
    return Seating(VOCAB, partial(encode_location, "box5"), whole, 1, words, regions)


def packed(counts: list[int]) -> PackedRegions:
    random, many = np.random.default_rng(0), sum(counts)
    corner = random.random((many, 2)).astype(np.float32) * 50
    return PackedRegions(
        boxes=np.hstack([corner, corner + 40]).astype(np.float32),
        scores=np.ones(many, np.float32),
        features=random.normal(size=(many, 7)).astype(np.float16),
        class_probs=random.dirichlet(np.ones(3), many).astype(np.float16).reshape(many, 3),
        attributes=np.arange(many, dtype=np.int32),
        attribute_scores=np.ones(many, np.float32),
        sizes=np.tile(np.array([[100, 100]], np.int32), (len(counts), 1)),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )


def tokens(lengths: list[int]) -> TokenTable:
    many = sum(lengths)
    word = np.concatenate([np.arange(n) for n in lengths] or [np.zeros(0)]).astype(np.int32)
    return TokenTable(
        np.arange(5, 5 + many, dtype=np.int32) % 45 + 5,
        word,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_text_is_begin_words_separator(lengths: list[int]) -> None:
    table = tokens(lengths)
    text = seats(False).text(table)
    for row, length in enumerate(lengths):
        part = slice(int(text.offsets[row]), int(text.offsets[row + 1]))
        own = table.ids[table.offsets[row] : table.offsets[row] + min(length, 6)].tolist()
        assert text.ids[part].tolist() == [VOCAB.begin, *own, VOCAB.separator]
        assert text.position[part].tolist() == list(range(len(own) + 2))
        assert text.special[part].tolist() == [True, *[False] * len(own), True]
        assert len(set(text.word[part].tolist())) == len(own) + 2
    rows = [set(text.word[int(a) : int(b)].tolist()) for a, b in zip(text.offsets[:-1], text.offsets[1:])]
    assert sum(map(len, rows)) == len(set().union(*rows))


@given(st.lists(st.integers(0, 8), min_size=1, max_size=5), st.booleans())
def test_regions_are_cut_and_keep_their_numbers(counts: list[int], whole: bool) -> None:
    stored = packed(counts)
    region = seats(whole).region(stored)
    for row, count in enumerate(counts):
        part = slice(int(region.offsets[row]), int(region.offsets[row + 1]))
        kept = min(count, 5)
        begin = int(stored.offsets[row])
        own = ~region.whole[part]
        assert int(own.sum()) == kept
        assert torch.equal(region.features[part][own], torch.from_numpy(stored.features[begin : begin + kept]).float())
        assert torch.equal(region.boxes[part][own], torch.from_numpy(stored.boxes[begin : begin + kept]))
        assert int(region.whole[part].sum()) == int(whole and count > 0)


def test_the_whole_image_is_first_with_the_mean_feature_and_the_full_box() -> None:
    stored = packed([3, 2])
    region = seats(True).region(stored)
    assert region.whole.nonzero()[:, 0].tolist() == [0, 4]
    expected = torch.from_numpy(stored.features[:3]).float().mean(0)
    torch.testing.assert_close(region.features[0], expected)
    assert region.boxes[0].tolist() == [0, 0, 100, 100]
    assert region.location[0].tolist() == [0, 0, 1, 1, 1]
    assert region.attributes[0] == -1


def test_stored_regions_are_left_alone() -> None:
    stored = packed([3, 2])
    before = {f.name: getattr(stored, f.name).copy() for f in dataclasses.fields(stored)}
    seats(True).region(stored)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(stored, name), array)


def test_a_mask_in_a_text_is_not_masked_again() -> None:
    table = TokenTable(np.array([7, 4, 8], np.int32), np.arange(3, dtype=np.int32), np.array([0, 3]))
    assert seats(False).text(table).special.tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("whole", [False, True])
def test_no_regions_at_all(whole: bool) -> None:
    region = seats(whole).region(no_regions(3, packed([2])))
    assert region.offsets.tolist() == [0, 0, 0, 0]
    assert region.features.shape == (0, 7)


def test_end_stands_one_place_after_the_regions() -> None:
    seat = dataclasses.replace(seats(False), end_token=True, region_segment=2)
    text = seat.text(tokens([3, 0, 9]))
    assert text.offsets.tolist() == [0, 6, 9, 18]
    assert text.ids[[5, 8, 17]].tolist() == [END] * 3
    assert text.ids[[4, 7, 16]].tolist() == [VOCAB.separator] * 3
    assert text.position[:9].tolist() == [0, 1, 2, 3, 4, 6, 0, 1, 3]  # the regions have 5 and 2
    assert text.segment[:9].tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 2]
    assert text.special[:9].tolist() == [True, False, False, False, True, True, True, True, True]


def test_words_after_their_image_begin_at_one_place() -> None:
    seat = dataclasses.replace(seats(False, regions=100), image_first=True)
    text = seat.text(tokens([3, 0]))
    assert text.offsets.tolist() == [0, 6, 9]
    assert text.ids[:6].tolist() == [VOCAB.begin, VOCAB.separator, 10, 11, 12, VOCAB.separator]
    assert text.position.tolist() == [0, 101, 102, 103, 104, 105, 0, 101, 102]
    assert text.segment.tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 1]
    assert text.special.tolist() == [True, True, False, False, False, False, True, True, False]
    assert text.source is not None
    assert text.source.tolist() == [True, True, False, False, False, False, True, True, False]


def test_a_caption_is_written_word_by_word_and_its_image_does_not_see_it() -> None:
    """The numbers of Unified VLP's own mask: a caption of three words and [SEP] after 100 regions."""
    seat = dataclasses.replace(seats(False, regions=100), image_first=True)
    batch = seat.batch(tokens([3]), packed([100]), np.ones(1, np.bool_), np.zeros(1, np.int64))
    geometry = Geometry(dataclasses.replace(batch, pattern="seq2seq"))
    mask = geometry.mask(("text", "region"), ("text", "region"), torch.float32)
    assert mask is not None
    seen = (mask[0, 0] == 0).sum(1).tolist()
    assert seen[:6] == [102, 102, 103, 104, 105, 106]
    assert seen[6:] == [102] * 100


def test_a_tasks_token_comes_after_the_first_and_words_keep_their_places() -> None:
    table = tokens([3, 0])
    plain, named = seats(False).text(table), dataclasses.replace(seats(False), task=5).text(table)
    assert named.ids.tolist() == [
        VOCAB.begin,
        TASK - 5,
        *plain.ids[1:5].tolist(),
        VOCAB.begin,
        TASK - 5,
        VOCAB.separator,
    ]
    assert [named.position[i].item() for i in (0, 2, 3, 4, 5, 6, 8)] == [0, 1, 2, 3, 4, 0, 1]
    assert named.special.tolist() == [True, True, False, False, False, True, True, True, True]
    assert named.offsets.tolist() == [0, 6, 9]


@pytest.mark.parametrize("sees", ["text", "picture"])
def test_a_part_of_a_pair_may_be_left_out(sees: str) -> None:
    place = dataclasses.replace(seats(True), sees=sees)
    batch = place.batch(tokens([3, 9, 0]), packed([2, 7, 1]), np.ones(3, np.bool_), np.arange(3))
    assert (place.most_words, place.most_regions) == ((6, 0) if sees == "text" else (0, 5))
    assert batch.text.offsets.diff().tolist() == ([5, 8, 2] if sees == "text" else [2, 2, 2])
    assert batch.region.offsets.diff().tolist() == ([0, 0, 0] if sees == "text" else [3, 6, 2])


@pytest.mark.parametrize("whole", [False, True])
def test_words_name_regions_and_regions_know_their_words(whole: bool) -> None:
    said = dataclasses.replace(tokens([3, 4]), link=np.array([1, -1, 1, 0, 6, -1, 2]))
    batch = seats(whole).batch(said, packed([2, 7]), np.ones(2, np.bool_), np.arange(2))
    first = int(whole)
    assert batch.text.link.tolist() == [-1, 1 + first, -1, 1 + first, -1, -1, first, -1, -1, 2 + first, -1]
    linked = batch.region.linked
    assert linked.shape[1] == 2
    begin = int(batch.region.offsets[1])
    found = {i: [p for p in row if p >= 0] for i, row in enumerate(linked.tolist()) if row[0] >= 0}
    assert found == {1 + first: [1, 3], begin + first: [1], begin + 2 + first: [4]}


def test_a_second_text_has_a_segment_of_its_own() -> None:
    both = tokens([2, 2]).beside(dataclasses.replace(tokens([2, 2]), link=np.array([0, -1, 1, -1])), VOCAB.separator, 6)
    place = dataclasses.replace(seats(False), sentences=2, second_segment=2)
    batch = place.batch(both, packed([2, 2]), np.ones(2, np.bool_), np.arange(2))
    assert batch.text.segment.view(2, -1).tolist() == [[0, 0, 0, 0, 2, 2, 2]] * 2
    assert batch.text.link.view(2, -1).tolist() == [[-1, -1, -1, -1, 0, -1, -1], [-1, -1, -1, -1, 1, -1, -1]]


@pytest.mark.parametrize(("changes", "before"), [({}, 1), ({"task": 5}, 2), ({"image_first": True}, 2)])
def test_phrases_are_read_at_their_last_word(changes: dict, before: int) -> None:  # type: ignore[type-arg]
    place, said = dataclasses.replace(seats(False), **changes), tokens([3, 9, 0])
    text = place.text(said)
    found = place.phrases(text, said, [np.array([0, 2]), np.array([4, 8, 7]), np.array([-1])])
    begins = text.offsets.tolist()
    wanted = [[0, 2], [4, 5, 5], [-1]]
    for row, (mine, places) in enumerate(zip(wanted, found.tolist())):
        assert places == [begins[row] + before + i for i in mine] + [-1] * (3 - len(mine))
        assert all(text.ids[place] == said.ids[said.offsets[row] + i] for place, i in zip(places, mine) if i >= 0)
    nothing = dataclasses.replace(place, sees="picture")
    assert nothing.phrases(nothing.text(said), said, [np.array([0, 2]), np.array([8]), np.array([-1])]).tolist() == [
        [before - 1] * 2,
        [before + 1 + before - 1, -1],
        [2 * (before + 1) + before - 1, -1],
    ]
