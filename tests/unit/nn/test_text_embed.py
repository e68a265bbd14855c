"""The words' terms: the token of a task."""

from __future__ import annotations

import dataclasses

import torch
from samples import PAGES, texts

from iconotext.core.batch import TASK
from iconotext.models.trunk import dims_of
from iconotext.nn.terms import Position, Segment, TaskToken, TextEmbedding, Word
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
