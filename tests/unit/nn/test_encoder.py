"""The encoder against a plain padded one that takes its weights, and what every schedule keeps."""

from __future__ import annotations

import dataclasses

import padded
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import FEATURES, PAGES, VOCAB, batch_of, select, shake, tiny, tokens
from torch import Tensor

from iconotext.core.batch import Batch, Encoded
from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.models.trunk import Trunk, dims_of
from iconotext.nn.encoder import Encoder, sublayer_names
from iconotext.nn.pattern import Geometry
from iconotext.nn.schedule import BOTH, REGION, TEXT, Attend, FeedForward, co_layer, cross_layer, text_layer, twin_layer
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT

CLOSE = {"rtol": 0.0, "atol": 2e-5}
UNEVEN = ((4, 1, 6, 2), (3, 5, 1, 2))

TIED_APART = Attend(text=TEXT, region=REGION, tied=True)
SCHEDULES = {
    "cross": 2 * twin_layer() + text_layer() + 2 * cross_layer(),
    "tied, apart": (TIED_APART, FeedForward(BOTH, tied=True)),
    "tied, text reads both": (Attend(text=BOTH, region=REGION, tied=True), FeedForward(BOTH)),
    "text reads both": (Attend(text=BOTH, region=REGION), FeedForward(BOTH), Attend(text=REGION), FeedForward(TEXT)),
    "text in the shape of regions": (Attend(text=TEXT, tied=True), FeedForward(TEXT, tied=True), *co_layer(6, 3)),
}
SYSTEMS = {
    **PAGES,
    **{name: tiny(UNITER, schedule=schedule) for name, schedule in SCHEDULES.items()},
    "uniter, pre": tiny(UNITER, norm="pre"),
    "vilbert, pre": tiny(VILBERT, norm="pre"),
    "cross, pre": tiny(UNITER, schedule=SCHEDULES["cross"], norm="pre"),
}


def trunk_of(page: System, seed: int = 0) -> Trunk:
    torch.manual_seed(seed)
    trunk = Trunk(page, VOCAB.size, FEATURES)
    shake(trunk)
    return trunk.eval()


def rows_of(encoded: Encoded, row: int) -> tuple[Tensor, Tensor]:
    at = (encoded.text_offsets, encoded.region_offsets)
    begin, end = zip(*[(int(o[row]), int(o[row + 1])) for o in at])
    return encoded.text[begin[0] : end[0]], encoded.region[begin[1] : end[1]]


def check_against_padded(trunk: Trunk, batch: Batch) -> None:
    encoded = trunk(batch)
    plain = padded.encode(trunk, batch)
    torch.testing.assert_close(encoded.text, plain.states["text"][plain.filled["text"]], **CLOSE)
    torch.testing.assert_close(encoded.region, plain.states["region"][plain.filled["region"]], **CLOSE)
    weights = torch.randn_like(encoded.text), torch.randn_like(encoded.region)
    mine = (encoded.text * weights[0]).sum() + (encoded.region * weights[1]).sum()
    theirs = (plain.states["text"][plain.filled["text"]] * weights[0]).sum()
    theirs = theirs + (plain.states["region"][plain.filled["region"]] * weights[1]).sum()
    parameters = [p for name, p in trunk.named_parameters() if "pooler" not in name]
    ours = torch.autograd.grad(mine, parameters, allow_unused=True, materialize_grads=True)
    plains = torch.autograd.grad(theirs, parameters, allow_unused=True, materialize_grads=True)
    for one, other in zip(ours, plains, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize("pattern", ["full", "seq2seq"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_packed_and_padded_agree(name: str, pattern: str) -> None:
    check_against_padded(trunk_of(SYSTEMS[name]), batch_of(SYSTEMS[name], *UNEVEN, pattern=pattern))


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4), st.sampled_from(sorted(PAGES))
)
def test_any_lengths_agree_with_padded(lengths: list[tuple[int, int]], name: str) -> None:
    words, counts = map(list, zip(*lengths))
    trunk, batch = trunk_of(PAGES[name]), batch_of(PAGES[name], words, counts)
    encoded, plain = trunk(batch), padded.encode(trunk, batch)
    torch.testing.assert_close(encoded.text, plain.states["text"][plain.filled["text"]], **CLOSE)
    torch.testing.assert_close(encoded.region, plain.states["region"][plain.filled["region"]], **CLOSE)


@pytest.mark.parametrize("name", SYSTEMS)
@torch.no_grad()
def test_rows_alone_and_in_a_batch(name: str) -> None:
    page = SYSTEMS[name]
    trunk, batch = trunk_of(page), batch_of(page, *UNEVEN)
    together, turned = trunk(batch), trunk(select(batch, [3, 1, 2, 0]))
    for row in range(len(batch)):
        for other, place in ((trunk(select(batch, [row])), 0), (turned, [3, 1, 2, 0].index(row))):
            for mine, theirs in zip(rows_of(together, row), rows_of(other, place)):
                torch.testing.assert_close(mine, theirs, **CLOSE)


@pytest.mark.parametrize("name", SYSTEMS)
@torch.no_grad()
def test_the_order_of_regions_is_no_information(name: str) -> None:
    page = SYSTEMS[name]
    trunk, batch = trunk_of(page), batch_of(page, *UNEVEN)
    order = torch.arange(batch.region.whole.numel())
    for row in range(len(batch)):
        at = tokens(batch.region, row)
        first = at.start + int(batch.region.whole[at.start])
        order[first : at.stop] = torch.arange(first, at.stop).flip(0)
    moved = {f.name: getattr(batch.region, f.name)[order] for f in dataclasses.fields(batch.region)[:-1]}
    region = dataclasses.replace(batch.region, **moved)
    before, after = trunk(batch), trunk(dataclasses.replace(batch, region=region))
    torch.testing.assert_close(after.text, before.text, **CLOSE)
    torch.testing.assert_close(after.region, before.region[order], **CLOSE)
    torch.testing.assert_close(trunk.pool(after), trunk.pool(before), **CLOSE)


@pytest.mark.parametrize(
    ("words", "counts"), [((3, 2), (0, 0)), ((0, 0), (3, 2)), ((3, 0, 2), (0, 4, 2)), ((2,), (0,))]
)
@pytest.mark.parametrize("name", SYSTEMS)
def test_empty_streams(name: str, words: tuple[int, ...], counts: tuple[int, ...]) -> None:
    page = SYSTEMS[name]
    trunk = trunk_of(page).train()
    encoded = trunk(batch_of(page, words, counts))
    pooled = trunk.pool(encoded)
    (encoded.text.square().sum() + encoded.region.square().sum() + pooled.sum()).backward()
    assert all(tensor.isfinite().all() for tensor in (encoded.text, encoded.region, pooled))
    assert all(p.grad is None or p.grad.isfinite().all() for p in trunk.parameters())


@pytest.mark.parametrize("norm", ["post", "pre"])
@torch.no_grad()
def test_a_row_that_reads_nothing_passes_through(norm: str) -> None:
    page = tiny(PAGES["vilbert"], schedule=co_layer(24, 3)[:1], norm=norm)
    trunk, batch = trunk_of(page), batch_of(page, [3, 0, 2], [0, 2, 3])
    before, after = trunk.embed(batch), trunk.encoder.sublayers[0](trunk.embed(batch), Geometry(batch))
    for stream, part, blind in (("text", batch.text, 0), ("region", batch.region, 1)):
        at = tokens(part, blind)
        assert torch.equal(after[stream][at], before[stream][at])
        seeing = tokens(part, 2)
        assert not torch.isclose(after[stream][seeing], before[stream][seeing]).all(-1).any()


@pytest.mark.parametrize("name", SYSTEMS)
@torch.no_grad()
def test_seq2seq_hides_later_words(name: str) -> None:
    page = SYSTEMS[name]
    trunk, batch = trunk_of(page), batch_of(page, [5, 3], [2, 4], pattern="seq2seq")
    at = 3
    ids = batch.text.ids.clone()
    ids[at] = VOCAB.first + (ids[at] - VOCAB.first + 1) % 10
    before = trunk(batch)
    after = trunk(dataclasses.replace(batch, text=dataclasses.replace(batch.text, ids=ids)))
    assert torch.equal(after.region, before.region)
    assert torch.equal(after.text[:at], before.text[:at])
    row = tokens(batch.text, 0)
    assert (after.text[at : row.stop] != before.text[at : row.stop]).any(-1).all()
    assert torch.equal(after.text[row.stop :], before.text[row.stop :])


@pytest.mark.parametrize("name", [n for n, page in SYSTEMS.items() if not page.separable])
@torch.no_grad()
def test_words_see_regions_and_never_those_of_another_row(name: str) -> None:
    page = SYSTEMS[name]
    trunk, batch = trunk_of(page), batch_of(page, [3, 4], [2, 3])
    features = batch.region.features.clone()
    features[tokens(batch.region, 1)] += 1
    before = trunk(batch)
    after = trunk(dataclasses.replace(batch, region=dataclasses.replace(batch.region, features=features)))
    assert torch.equal(after.text[tokens(batch.text, 0)], before.text[tokens(batch.text, 0)])
    assert (trunk.pool(after)[1] != trunk.pool(before)[1]).any()


@pytest.mark.parametrize("name", SYSTEMS)
def test_recomputation_changes_nothing(name: str) -> None:
    page = dataclasses.replace(SYSTEMS[name], dropout=0.3, attention_dropout=0.2)
    batch = batch_of(page, [3, 0, 5], [2, 4, 0])
    trunk = trunk_of(page).train()
    found = []
    for recompute in (False, True):
        trunk.encoder.recompute = recompute
        trunk.zero_grad()
        torch.manual_seed(11)
        encoded = trunk(batch)
        loss = encoded.text.pow(3).sum() + encoded.region.pow(3).sum()
        loss.backward()
        found.append([loss, *(p.grad for p in trunk.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1])
    assert all(torch.equal(one, other) for one, other in zip(*found))


def test_dropout_drops_in_training_only() -> None:
    page = PAGES["vilbert"]
    trunk, batch = trunk_of(page), batch_of(page, *UNEVEN)
    assert torch.equal(trunk(batch).text, trunk(batch).text)
    trunk.train()
    torch.manual_seed(0)
    one, two = trunk(batch).text, trunk(batch).text
    torch.manual_seed(0)
    assert torch.equal(trunk(batch).text, one)
    assert not torch.equal(one, two)


def test_watch_sees_the_streams_after_every_sublayer() -> None:
    page = PAGES["uniter"]
    trunk, batch = trunk_of(page), batch_of(page, *UNEVEN)
    seen = []
    encoded = trunk(batch, lambda index, streams: seen.append((index, streams["text"])))
    assert [index for index, _ in seen] == list(range(len(page.schedule)))
    assert torch.equal(seen[-1][1], encoded.text)


@pytest.mark.parametrize("name", SYSTEMS)
@torch.no_grad()
def test_a_schedule_can_be_run_in_two_parts(name: str) -> None:
    trunk, batch = trunk_of(SYSTEMS[name]), batch_of(SYSTEMS[name], *UNEVEN)
    encoder, geometry = trunk.encoder, Geometry(batch)
    whole = encoder(trunk.embed(batch), geometry)
    for cut in range(len(SYSTEMS[name].schedule)):
        parts = encoder(encoder(trunk.embed(batch), geometry, end=cut), geometry, begin=cut)
        assert all(torch.equal(parts[stream], whole[stream]) for stream in BOTH)


@pytest.mark.parametrize("layer", [Attend(text=BOTH, region=BOTH, tied=True), FeedForward(BOTH, tied=True)])
def test_tied_streams_need_one_width(layer: Attend | FeedForward) -> None:
    with pytest.raises(ConfigError, match="streams of one width"):
        Encoder((layer,), dims_of(PAGES["vilbert"]))


def test_reading_another_width_needs_a_width() -> None:
    with pytest.raises(ConfigError, match="give the Attend a width and heads"):
        Encoder(co_layer(), dims_of(PAGES["vilbert"]))


def test_both_directions_of_a_cross_layer_share_one_projection() -> None:
    """LXMERT: the shared weights get gradient from either direction."""
    trunk = trunk_of(tiny(UNITER, schedule=cross_layer()[:1]))
    batch = batch_of(trunk.system, *UNEVEN)
    for stream in BOTH:
        trunk.zero_grad()
        getattr(trunk(batch), stream).sum().backward()
        (project,) = trunk.encoder.sublayers[0].project.values()
        assert project.weight.grad.view(3, -1).any(1).all()


def test_names_in_words() -> None:
    assert sublayer_names((*co_layer(8), *text_layer(), FeedForward(BOTH, tied=True))) == [
        "attend text reads region, region reads text",
        "feed-forward text+region",
        "attend text reads text",
        "feed-forward text",
        "feed-forward text+region (tied)",
    ]
