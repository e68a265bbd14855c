"""A decoder that keeps keys and values against whole passes of the model, and what a pattern from left to right means."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import model_of, shake
from torch import Tensor

from iconotext.core.batch import Batch
from iconotext.core.seed import Draw
from iconotext.data.words import TokenTable, Words
from iconotext.models.system import System
from iconotext.models.task import TaskModel
from iconotext.nn.schedule import cross_layer, joint_layer, one_stream, text_layer
from iconotext.systems import SYSTEMS
from iconotext.systems.vlp import VLP
from iconotext.tasks.base import Source
from iconotext.tasks.beam import GREEDY, Search
from iconotext.tasks.captions import WRITERS, Captions, Pictures
from iconotext.tasks.writing import Writer, text_of, writes

SMALL = {"width": 16, "heads": 2, "hidden": 24, "region_width": 16, "region_heads": 2, "region_hidden": 24}
PRE = dataclasses.replace(VLP.at("tiny"), **SMALL)
PAGES = {
    "pre": PRE,
    "post": dataclasses.replace(PRE, norm="post"),
    "one norm": dataclasses.replace(PRE, last_norm="one"),
}


def model_for(toy, page: System) -> TaskModel:
    torch.manual_seed(0)
    model = TaskModel(page, Captions().kind, toy.words.vocab.size, toy.store.feature_dim, toy.store.class_count)
    shake(model)
    return model.eval()


def pictures(toy) -> Pictures:
    found = Captions().examples(Source(toy.data, toy.store, toy.words), "test", training=False)
    assert isinstance(found, Pictures)
    return found


def whole(toy, page: System, images: list[str], words: list[list[int]], sees: str = "both") -> Batch:
    """Texts as the model sees them in training, every word scored."""
    seats = dataclasses.replace(toy.seats(page), sees=sees)
    lengths = [len(row) for row in words]
    flat = np.array([word for row in words for word in row], np.int32)
    tokens = TokenTable(flat, np.arange(len(flat), dtype=np.int32), np.concatenate([[0], np.cumsum(lengths)]))
    batch = seats.batch(tokens, toy.store.gather(images), np.ones(len(words), np.bool_), np.arange(len(words)))
    text = dataclasses.replace(batch.text, segment=batch.text.segment + 4)
    region = dataclasses.replace(batch.region, segment=batch.region.segment + 4)
    scored = (~batch.text.special | (batch.text.ids == toy.words.vocab.mask)).nonzero()[:, 0]
    return dataclasses.replace(batch, text=text, region=region, pattern="seq2seq", scored=scored)


def log_probabilities(toy, model: TaskModel, image: str, words: list[int], sees: str) -> Tensor:
    """Of each word of a text and of its end, by a pass of the whole model for each."""
    vocab, said = toy.words.vocab, [*words, toy.words.vocab.separator]
    found = []
    for n, word in enumerate(said):
        batch = whole(toy, model.system, [image], [[*words[:n], vocab.mask]], sees)
        found.append(model(batch)[-2].log_softmax(-1)[word])  # the last but one: after it comes [SEP]
    return torch.stack(found)


@pytest.mark.parametrize("sees", ["both", "text"])
@pytest.mark.parametrize("name", PAGES)
def test_kept_keys_and_values_say_what_a_whole_pass_says(toy, name: str, sees: str) -> None:
    model, examples = model_for(toy, PAGES[name]), pictures(toy)
    seats = dataclasses.replace(toy.seats(PAGES[name]), sees=sees, max_words=5)
    writer = Writer.of(model, seats)
    assert writer is not None
    rows = np.arange(4)
    assert len({int(toy.store.counts[toy.store.rows([examples.units[row]])[0]]) for row in rows}) > 1
    written = writer.write(examples.batch(rows, Draw(0, 0, rows), seats).batch, Search(3))
    assert any(text.words for found in written for text in found)
    for row, found in enumerate(written):
        for text in found:
            with torch.no_grad():
                each = log_probabilities(toy, model, examples.units[row], text.words, sees)
            # A text that was cut off at its longest has no end to be scored.
            assert text.score == pytest.approx(float(each[:5].sum()), abs=1e-4)


def test_texts_do_not_depend_on_what_is_written_beside_them(toy) -> None:
    page = PAGES["pre"]
    examples, writer = pictures(toy), Writer.of(model_for(toy, page), toy.seats(page))
    assert writer is not None
    rows = np.arange(5)
    together = writer.write(examples.batch(rows, Draw(0, 0, rows), toy.seats(page)).batch, Search(4))
    for row in rows:
        (alone,) = writer.write(
            examples.batch(rows[row : row + 1], Draw(0, 0, rows[:1]), toy.seats(page)).batch, Search(4)
        )
        assert alone[0].words == together[row][0].words
        assert alone[0].score == pytest.approx(together[row][0].score, abs=1e-4)


def test_a_later_word_does_not_change_an_earlier_score(toy) -> None:
    page = PAGES["post"]
    model, image = model_for(toy, page), pictures(toy).units[0]
    first = toy.words.vocab.first
    one, other = [first, first + 1, first + 2, first + 3], [first, first + 1, first + 4, first + 5]
    with torch.no_grad():
        scores, others = (model(whole(toy, page, [image], [words])) for words in (one, other))
        full = dataclasses.replace(whole(toy, page, [image], [other]), pattern="full")
        assert torch.allclose(scores[:2], others[:2], atol=1e-6)
        assert (scores[2:] - others[2:]).abs().amax() > 1e-3
        assert (model(full)[:2] - others[:2]).abs().amax() > 1e-3, "a word sees what follows it, but for the pattern"


def test_words_that_mean_nothing_are_not_said(toy) -> None:
    page = PAGES["pre"]
    model, examples = model_for(toy, page), pictures(toy)
    vocab, rows = toy.words.vocab, np.arange(6)
    with torch.no_grad():
        model.head.bias[[vocab.pad, vocab.unknown, vocab.begin, vocab.mask]] += 50
    writer = Writer.of(model, toy.seats(page))
    assert writer is not None
    written = writer.write(examples.batch(rows, Draw(0, 0, rows), toy.seats(page)).batch, GREEDY)
    said = {word for found in written for text in found for word in text.words}
    assert not said & {vocab.pad, vocab.unknown, vocab.begin, vocab.mask, vocab.separator}
    assert max(len(found[0].words) for found in written) <= page.layout.max_words


def test_a_head_with_projections_writes_with_the_one_of_its_pattern(toy) -> None:
    mix = dataclasses.replace(
        PRE.mix, parts=tuple((n, dataclasses.replace(o, projections=4)) for n, o in PRE.mix.parts)
    )
    page = dataclasses.replace(PRE, mix=mix)
    model, examples, rows = model_for(toy, page), pictures(toy), np.arange(1)
    writer = Writer.of(model, toy.seats(page))
    assert writer is not None
    ((text, *_),) = writer.write(examples.batch(rows, Draw(0, 0, rows), toy.seats(page)).batch, GREEDY)
    with torch.no_grad():
        each = log_probabilities(toy, model, examples.units[0], text.words, "both")
    assert text.score == pytest.approx(float(each[: page.layout.max_words].sum()), abs=1e-3)


def test_a_pre_trained_model_writes_as_it_is(toy) -> None:
    assert Writer.of(model_of(PRE), toy.seats(PRE)) is not None
    answering = TaskModel(PRE, dataclasses.replace(Captions().kind, head="score"), 40, 6, 5)
    assert Writer.of(answering, toy.seats(PRE)) is None


def test_which_systems_write() -> None:
    assert {name for name, page in SYSTEMS.items() if writes(page)} == set(WRITERS)
    assert one_stream(3 * joint_layer())
    assert not one_stream(text_layer() + joint_layer())
    assert not one_stream(cross_layer())


def test_chinese_is_written_without_spaces(toy) -> None:
    assert text_of(toy.words, toy.words.encode(["a red dog"]).ids.tolist()) == "a red dog"

    said = "图中有2只red狗，很好"
    words = Words.train([said, said], 100)
    assert words.decode(words.encode([said]).ids.tolist()) == "图 中 有 2 只 red 狗 ， 很 好"
    assert text_of(words, words.encode([said]).ids.tolist()) == "图中有 2 只 red 狗，很好"
