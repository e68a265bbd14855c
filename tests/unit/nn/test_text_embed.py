"""The words' terms: the token of a task, where positions begin, and what comes after the norm."""

from __future__ import annotations

import dataclasses

import torch
from samples import PAGES, texts

from iconotext.core.batch import TASK
from iconotext.models.trunk import dims_of
from iconotext.nn.terms import Modality, Position, Segment, TaskToken, TextEmbedding, Word
from iconotext.nn.text_embed import TextEmbedder

TERMS = (Word(), Position(), Segment())


def test_a_tasks_token_is_its_vector_alone_and_the_words_stay() -> None:
    torch.manual_seed(0)
    module = TextEmbedder(TextEmbedding((*TERMS, TaskToken(4))), dims_of(PAGES["uniter"]), 50).eval()
    plain = texts([3, 2])
    ids = plain.ids.clone()
    ids[1], ids[6] = TASK - 3, TASK
    named = dataclasses.replace(plain, ids=ids)
    before, after = module(plain), module(named)
    assert torch.equal(after[1], module.norm(module.tables["task"].weight[3]))
    assert torch.equal(after[6], module.norm(module.tables["task"].weight[0]))
    others = [i for i in range(len(ids)) if i not in (1, 6)]
    assert torch.equal(before[others], after[others])
    after[[1, 6]].sum().backward()
    assert not module.tables["word"].weight.grad.any()
    assert not module.tables["position"].weight.grad.any()


def embedder(*terms) -> TextEmbedder:
    torch.manual_seed(0)
    return TextEmbedder(TextEmbedding(terms), dims_of(PAGES["uniter"]), 50).eval()


@torch.no_grad()
def test_rows_before_the_first_position_are_passed_over() -> None:
    module, text = embedder(Word(), Position(9, first=2)), texts([3, 2])
    expected = module.tables["word"](text.ids) + module.tables["position"].weight[text.position + 2]
    assert torch.equal(module(text), module.norm(expected))


@torch.no_grad()
def test_the_modality_comes_after_the_norm() -> None:
    module, text = embedder(*TERMS, Modality()), texts([3, 2])
    plain = embedder(*TERMS)
    plain.load_state_dict({name: value for name, value in module.state_dict().items() if "modality" not in name})
    torch.testing.assert_close(module(text), plain(text) + module.tables["modality"].weight[0])
