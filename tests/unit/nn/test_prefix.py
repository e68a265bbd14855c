"""Rows that grow word by word against the whole rows under the pattern "seq2seq"."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest
import torch
from samples import PAGES, batch_of, shake
from torch import Tensor

from iconotext.core.batch import Batch, some_tokens
from iconotext.nn.encoder import Encoder
from iconotext.nn.pattern import Geometry
from iconotext.nn.prefix import Prefix
from iconotext.nn.schedule import joint_layer
from iconotext.nn.streams import Dims, Streams

WIDTH, WORDS, COUNTS = 8, 5, [3, 0, 1]


def encoder(norm: Literal["pre", "post"]) -> Encoder:
    torch.manual_seed(0)
    sizes = {"text": WIDTH, "region": WIDTH}
    made = Encoder(2 * joint_layer(), Dims(sizes, {"text": 2, "region": 2}, sizes, norm=norm))
    shake(made)
    return made.eval()


def rows() -> tuple[Batch, Batch]:
    """Three rows of two source words, other words and regions under the pattern, and the same without the other words."""
    batch = batch_of(PAGES["uniter"], [WORDS] * 3, COUNTS, pattern="seq2seq")
    place = batch.text.position
    region = dataclasses.replace(batch.region, offsets=torch.tensor([0, *torch.tensor(COUNTS).cumsum(0).tolist()]))
    keep = (~batch.region.whole).nonzero()[:, 0]
    batch = dataclasses.replace(batch, region=some_tokens(batch.region, keep, region.offsets))
    batch = dataclasses.replace(batch, text=dataclasses.replace(batch.text, source=place < 2))
    source = some_tokens(batch.text, (place < 2).nonzero()[:, 0], torch.arange(0, 7, 2))
    return batch, dataclasses.replace(batch, text=source)


def whole(made: Encoder, batch: Batch, text: Tensor, region: Tensor) -> Tensor:
    """The last states of the words after the source [3, WORDS, D]."""
    found = made(Streams.of(text, region), Geometry(batch))["text"]
    return found.view(3, WORDS + 2, WIDTH)[:, 2:]


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_words_one_by_one_are_as_all_at_once(norm: Literal["pre", "post"]) -> None:
    made, (batch, source) = encoder(norm), rows()
    region, both = torch.randn(sum(COUNTS), WIDTH), torch.randn(2, 3, WORDS + 2, WIDTH)
    both[1, :, :2] = both[0, :, :2]  # two texts on each image, with one source
    wanted = torch.stack([whole(made, batch, text.reshape(-1, WIDTH), region) for text in both], 1)
    begin = Streams.of(both[0, :, :2].reshape(-1, WIDTH), region)
    prefix = Prefix.read(made, begin, Geometry(source))
    words = both[:, :, 2:].transpose(0, 1)
    states, prefix = prefix.grow(made, words[:, :, :1])
    assert torch.allclose(states, wanted[:, :, :1], atol=1e-5)
    for n in range(1, WORDS):
        states, prefix = prefix.grow(made, words[:, :, n - 1 : n + 1])
        assert torch.allclose(states, wanted[:, :, n - 1 : n + 1], atol=1e-5)
    assert prefix.words[0].keys.shape[3] == WORDS - 1, "the last word may yet be another"


def test_rows_are_exchanged_within_their_image() -> None:
    made, (_, source) = encoder("pre"), rows()
    region, text = torch.randn(sum(COUNTS), WIDTH), torch.randn(3, 2, WIDTH)
    prefix = Prefix.read(made, Streams.of(text.reshape(-1, WIDTH), region), Geometry(source))
    words, last = torch.randn(3, 2, 3, WIDTH), torch.randn(3, 1, 1, WIDTH).expand(3, 2, 1, WIDTH)
    _, grown = prefix.grow(made, words)
    straight, _ = grown.grow(made, last)
    crossed, _ = grown.rows(torch.tensor([[1, 0], [0, 0], [1, 1]])).grow(made, last)
    assert torch.equal(crossed[0], straight[0].flip(0))
    assert torch.equal(crossed[1], straight[1][[0, 0]])
    assert torch.equal(crossed[2], straight[2][[1, 1]])
    assert not torch.allclose(straight[:, 0], straight[:, 1])
