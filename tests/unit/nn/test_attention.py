"""Sizes of one sublayer: what two streams of other widths do together is what each does alone."""

from __future__ import annotations

import math

import pytest
import torch
from samples import PAGES, batch_of
from torch import nn

from iconotext.core.errors import ConfigError
from iconotext.nn.attention import Attention
from iconotext.nn.encoder import Encoder
from iconotext.nn.feed_forward import FeedForwardSublayer
from iconotext.nn.pattern import Geometry
from iconotext.nn.schedule import BOTH, REGION, TEXT, Attend, FeedForward, Schedule, apart
from iconotext.nn.streams import Dims, Streams

DIMS = Dims({"text": 16, "region": 12}, {"text": 2, "region": 3}, {"text": 24, "region": 20}, dropout=0.0)
TOGETHER: Schedule = (
    Attend(TEXT, REGION, width=8, heads=4, region_width=18, region_heads=9),
    FeedForward(BOTH, hidden=10, region_hidden=6),
)
APART: Schedule = (
    Attend(TEXT, width=8, heads=4),
    Attend(region=REGION, width=18, heads=9),
    FeedForward(TEXT, hidden=10),
    FeedForward(REGION, hidden=6),
)


def weights_of(encoder: Encoder) -> dict[str, nn.Parameter]:
    """By what they are and the stream they are of, whatever sublayer they lie in."""
    found = {}
    for sublayer in encoder.sublayers:
        found |= {name: p for name, p in sublayer.named_parameters() if not name.startswith("norm")}
        kind = type(sublayer).__name__
        found |= {f"{kind}.{name}": p for name, p in sublayer.named_parameters() if name.startswith("norm")}
    return found


def test_streams_of_other_sizes_run_as_if_alone() -> None:
    torch.manual_seed(0)
    together, apart = Encoder(TOGETHER, DIMS).eval(), Encoder(APART, DIMS).eval()
    mine, theirs = weights_of(together), weights_of(apart)
    assert mine.keys() == theirs.keys()
    with torch.no_grad():
        for name, parameter in mine.items():
            parameter.copy_(torch.randn_like(parameter))
            theirs[name].copy_(parameter)
    batch = batch_of(PAGES["uniter"], [3, 1], [2, 4])
    streams = Streams.of(torch.randn(batch.text.ids.numel(), 16), torch.randn(batch.region.masked.numel(), 12))
    one, other = together(streams, Geometry(batch)), apart(streams, Geometry(batch))
    assert torch.allclose(one["text"], other["text"], atol=1e-6)
    assert torch.allclose(one["region"], other["region"], atol=1e-6)


def test_shapes_are_the_sublayers_own() -> None:
    attend = Attention(Attend(TEXT, REGION, width=8, heads=4, region_width=18, region_heads=9), DIMS)
    assert {s: tuple(attend.project[s].weight.shape) for s in BOTH} == {"text": (24, 16), "region": (54, 12)}
    forward = FeedForwardSublayer(FeedForward(BOTH, tied=False, hidden=10), DIMS)
    assert {s: forward.up[s].out_features for s in BOTH} == {"text": 10, "region": 10}


@torch.no_grad()
def test_what_the_words_say_scales_queries_and_keys_of_the_regions() -> None:
    torch.manual_seed(0)
    module = Attention(Attend(region=REGION, gate=True), DIMS).eval()
    plain = Attention(Attend(region=REGION), DIMS).eval()
    own = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith("gate")}
    plain.load_state_dict(own)
    batch = batch_of(PAGES["uniter"], [3, 0], [2, 4])
    words, regions = torch.randn(5, 16), torch.randn(6, 12)
    found = module(Streams.of(words, regions), Geometry(batch))["region"]
    for rows, mean in ((slice(0, 2), words.mean(0)), (slice(2, 6), torch.zeros(16))):
        scales = torch.cat([1 + module.gate(mean).sigmoid(), torch.ones(12)])
        plain.project["region"].weight.copy_(own["project.region.weight"] * scales[:, None])
        plain.project["region"].bias.copy_(own["project.region.bias"] * scales)
        expected = plain(Streams.of(words, regions), Geometry(batch))["region"]
        torch.testing.assert_close(found[rows], expected[rows])
    assert apart((Attend(region=REGION, gate=True),)) == 0


@torch.no_grad()
def test_gated_regions_have_the_numbers_of_the_original() -> None:
    """Recorded from BertImageAttention of facebookresearch/vilbert-multi-task with ``dynamic_attention``, same weights."""
    module = Attention(Attend(region=REGION, gate=True), DIMS).eval()

    def waves(*shape: int, step: float, phase: float) -> torch.Tensor:
        return (step * torch.arange(math.prod(shape), dtype=torch.float64) + phase).sin().float().view(shape)

    def filled(number: int, *shape: int) -> torch.Tensor:
        return 0.5 * waves(*shape, step=0.37, phase=number)

    weights = {
        "project.region.weight": torch.cat([filled(number, 12, 12) for number in (0, 2, 4)]),
        "project.region.bias": torch.cat([filled(number, 12) for number in (1, 3, 5)]),
        "gate.weight": torch.cat([filled(number, 12, 16) for number in (6, 8)]),
        "gate.bias": torch.cat([filled(number, 12) for number in (7, 9)]),
        "output.region.weight": filled(10, 12, 12),
        "output.region.bias": filled(11, 12),
        "norm.region.weight": filled(12, 12) + 1,
        "norm.region.bias": filled(13, 12),
    }
    module.load_state_dict(weights)
    words, regions = waves(2, 5, 16, step=0.53, phase=0.6), waves(2, 4, 12, step=0.29, phase=0.4)
    batch = batch_of(PAGES["uniter"], [3, 1], [2, 4])
    streams = Streams.of(torch.cat([words[0], words[1, :3]]), torch.cat([regions[0, :2], regions[1]]))
    found = module(streams, Geometry(batch))["region"]
    for place, numbers in (
        (1, [0.019787, -1.196601, 0.499295, 1.167440, -1.398935]),
        (2, [1.308747, -0.227803, -0.259968, 2.257265, 0.728835]),
        (5, [-0.250253, -1.318039, 0.421227, 1.515827, -0.682520]),
    ):
        torch.testing.assert_close(found[place, :5], torch.tensor(numbers), rtol=0, atol=3e-6)


def test_streams_that_meet_need_one_width() -> None:
    with pytest.raises(ConfigError, match="different width"):
        Attention(Attend(REGION, TEXT, width=8, heads=4, region_width=18, region_heads=9), DIMS)
