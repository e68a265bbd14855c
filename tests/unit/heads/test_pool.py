"""From encoded streams to one vector a pair."""

from __future__ import annotations

import pytest
import torch
from samples import PAGES, shake

from iconotext.core.batch import Encoded
from iconotext.heads.pool import Concat, FirstToken, Pool, Pooler, Product, Sum, first, pooled_width
from iconotext.models.trunk import dims_of

DIMS = dims_of(PAGES["vilbert"])
TEXT_OFFSETS, REGION_OFFSETS = torch.tensor([0, 2, 2, 5]), torch.tensor([0, 0, 3, 4])


def encoded() -> Encoded:
    torch.manual_seed(0)
    return Encoded(torch.randn(5, 16), torch.randn(4, 12), TEXT_OFFSETS, REGION_OFFSETS)


def pooler_of(pool: Pool) -> Pooler:
    torch.manual_seed(1)
    pooler = Pooler(pool, DIMS)
    shake(pooler)
    return pooler


def test_first_tokens() -> None:
    states = torch.arange(10.0).view(5, 2)
    assert first(states, TEXT_OFFSETS).tolist() == [[0, 1], [0, 0], [4, 5]]
    assert first(states[:0], torch.zeros(4).long()).tolist() == [[0, 0]] * 3
    assert first(states, torch.tensor([0, 5, 5])).tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize(("activation", "function"), [("tanh", torch.tanh), ("relu", torch.relu)])
def test_first_token_of_the_text(activation: str, function) -> None:
    pooler, x = pooler_of(FirstToken(activation)), encoded()
    assert torch.equal(pooler(x), function(pooler.text(first(x.text, TEXT_OFFSETS))))
    assert pooler.sides(x)[1] is None
    assert not hasattr(pooler, "region")
    assert pooled_width(FirstToken(), DIMS) == pooler(x).shape[1] == 16


def test_product_of_both_streams() -> None:
    pooler, x = pooler_of(Product(20)), encoded()
    text, region = pooler.sides(x)
    assert region is not None
    assert torch.equal(text, pooler.text(first(x.text, TEXT_OFFSETS)).relu())
    assert torch.equal(region, pooler.region(first(x.region, REGION_OFFSETS)).relu())
    assert torch.equal(pooler(x)[1:], (text * region)[1:])
    assert torch.equal(pooler(x)[0], text[0]), "a row without regions is its text alone"
    assert pooled_width(Product(20), DIMS) == pooler(x).shape[1] == 20


def test_both_streams_one_after_the_other() -> None:
    pooler, x = pooler_of(Concat(20, "tanh")), encoded()
    text, region = (
        pooler.text(first(x.text, TEXT_OFFSETS)).tanh(),
        pooler.region(first(x.region, REGION_OFFSETS)).tanh(),
    )
    assert torch.equal(pooler(x)[1:], torch.cat([text, region], 1)[1:])
    assert torch.equal(pooler(x)[0], torch.cat([text[0], torch.zeros(20)])), "no regions, nothing said of them"
    assert pooled_width(Concat(20), DIMS) == pooler(x).shape[1] == 40


def test_sum_of_both_streams_and_an_own_width() -> None:
    pooler, x = pooler_of(Sum(20, "tanh")), encoded()
    text, region = pooler.sides(x)
    assert region is not None
    assert torch.equal(text, pooler.text(first(x.text, TEXT_OFFSETS)).tanh())
    assert torch.equal(pooler(x)[1:], (text + region)[1:])
    assert torch.equal(pooler(x)[0], text[0])
    assert pooled_width(Sum(20), DIMS) == 20
    assert pooler_of(FirstToken("relu", 9))(x).shape[1] == pooled_width(FirstToken("relu", 9), DIMS) == 9
