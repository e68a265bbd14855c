"""Batches of systems that want two texts a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_data import make_data, make_store, make_words

from iconotext.core.batch import row_of
from iconotext.core.seed import Draw
from iconotext.data.pair import PairTable
from iconotext.data.sampler import LengthSampler
from iconotext.models.system import System
from iconotext.objectives.mix import objectives
from iconotext.recipes.material import PretrainStream, seating
from iconotext.systems.bert import BERT
from iconotext.systems.twelve_in_one import TWELVE_IN_ONE
from iconotext.systems.visualbert import VISUALBERT


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairTable:
    folder = tmp_path_factory.mktemp("toy")
    data, store = make_data(folder / "data"), make_store(folder / "store")
    return PairTable(data, "train", make_words(data), store)


def stream_of(page: System, pairs: PairTable, folder: Path) -> PretrainStream:
    words = make_words(make_data(folder / "data"))
    sampler = LengthSampler(pairs.lengths(100, 100), 32, 0)
    return PretrainStream(pairs, seating(page, words.vocab), page.mix, sampler, seed=0, steps=9)


@pytest.mark.parametrize("page", [BERT, VISUALBERT], ids=["bert", "visualbert"])
def test_the_second_text_is_of_the_same_picture_exactly_where_the_row_matches(
    page: System, pairs: PairTable, tmp_path: Path
) -> None:
    stream = stream_of(page, pairs, tmp_path)
    said = {text: set[int]() for text in pairs.strings}
    for image, text in zip(pairs.image_of.tolist(), pairs.strings):
        said[text].add(image)
    ids = {tuple(pairs.texts.ids[a:b].tolist()): text for a, b, text in spans(pairs)}
    plan = stream.sampler.batch(3)
    batch = stream.clean(plan.indices, Draw(0, plan.epoch, plan.positions), objectives(page.mix))
    text, vocab = batch.text, stream.seats.vocab
    assert 0 < batch.matched.sum() < len(batch)
    row = row_of(text.offsets)
    for n, own in enumerate(plan.indices.tolist()):
        mine = row == n
        tokens, segment, special = text.ids[mine], text.segment[mine].tolist(), text.special[mine].tolist()
        ends = (tokens == vocab.separator).nonzero()[:, 0].tolist()
        assert tokens[0] == vocab.begin
        assert len(ends) == 2
        assert segment == [0] * (ends[0] + 1) + [1] * (ends[1] - ends[0])
        assert [i for i, fixed in enumerate(special) if fixed] == [0, *ends]
        assert text.position[mine].tolist() == list(range(len(segment)))
        first, second = (ids[tuple(part.tolist())] for part in (tokens[1 : ends[0]], tokens[ends[0] + 1 : ends[1]]))
        assert first == pairs.strings[own]
        assert (int(pairs.image_of[own]) in said[second]) == bool(batch.matched[n])
        if batch.matched[n]:
            assert second != first
    assert bool(batch.region.masked.numel()) == bool(page.region.terms)


def spans(pairs: PairTable) -> list[tuple[int, int, str]]:
    bounds = pairs.texts.offsets.tolist()
    return list(zip(bounds[:-1], bounds[1:], pairs.strings))


def test_a_batch_is_the_same_again(pairs: PairTable, tmp_path: Path) -> None:
    one, other = (stream_of(VISUALBERT, pairs, tmp_path)(5) for _ in range(2))
    assert one.batch.text.ids.tolist() == other.batch.text.ids.tolist()
    assert np.array_equal(one.batch.matched, other.batch.matched)
    assert {"mlm", "itm"} == one.targets.keys()


def test_a_task_is_named_where_the_system_tells_tasks_apart(tmp_path: Path) -> None:
    vocab = make_words(make_data(tmp_path)).vocab
    named = {task: seating(TWELVE_IN_ONE, vocab, task).task for task in ("vqa", "retrieval", "other", "")}
    assert named == {"vqa": 1, "retrieval": 8, "other": None, "": None}
    assert seating(VISUALBERT, vocab, "vqa").task is None
