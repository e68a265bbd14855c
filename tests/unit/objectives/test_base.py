"""What every objective keeps: its input, its limits, and its independence of the rest of the batch."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import CLASSES, FEATURES, PAGES, VOCAB, batch_of, equal, select, tokens
from torch import Tensor, nn

from iconotext.core.batch import Batch, Encoded
from iconotext.core.seed import Draw
from iconotext.objectives.base import Corrupted, HeadContext, Negatives, Objective, Targets, View
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.wra import WRA

MASKS = RegionMasks(rate=0.3, keep=0.2, leak=0.5)
OBJECTIVES: dict[str, Objective] = {
    "mlm": MLM(rate=0.3, at_least_one=False),
    "mlm, whole words": MLM(rate=0.3, whole_word=True),
    "mlm, matched": MLM(rate=0.5, only_matched=True),
    "mrfr": MRFR(MASKS),
    "mrfr, matched": MRFR(RegionMasks(0.5), tied=False, only_matched=True),
    "mrc soft": MRC("soft", MASKS),
    "mrc soft, per class": MRC("soft", MASKS, per="class"),
    "mrc hard": MRC("hard", RegionMasks(0.5)),
    "mrc hard, background anywhere": MRC("hard", MASKS, background_first=False, only_matched=True),
    "itm": ITM(),
    "itm, 0 is matched": ITM(Negatives(0.3, "text"), matched=0, dropout=True),
    "wra": WRA(),
}


def over(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("objective", [OBJECTIVES[name] for name in names], ids=names)


EVERY = over(list(OBJECTIVES))
MASKED = over([name for name in OBJECTIVES if name.startswith(("mlm", "mr"))])
MATCHED = over([name for name, objective in OBJECTIVES.items() if getattr(objective, "only_matched", False)])
PAGE = PAGES["vilbert"]
ROWS = [(4, 3), (7, 5), (2, 1), (5, 8), (3, 4)]
WIDTH = 8


def a_batch(seed: int = 0) -> Batch:
    words, counts = zip(*ROWS)
    return batch_of(PAGE, words, counts, seed)


def draw_for(batch: Batch, seed: int = 0, epoch: int = 0) -> Draw:
    return Draw(seed, epoch, batch.position.numpy())


def context() -> HeadContext:
    torch.manual_seed(0)
    words, feature = nn.Embedding(VOCAB.size, WIDTH), nn.Linear(FEATURES, WIDTH)
    return HeadContext(WIDTH, WIDTH, WIDTH, 1e-12, 0.0, words, feature, FEATURES, CLASSES, 0)


def view_of(batch: Batch, text: Tensor, region: Tensor, pooled: Tensor) -> View:
    return View(Encoded(text, region, batch.text.offsets, batch.region.offsets), lambda: pooled, batch)


def outputs(batch: Batch) -> list[Tensor]:
    torch.manual_seed(1)
    sizes = (batch.text.ids.numel(), batch.region.masked.numel(), len(batch))
    return [torch.randn(size, WIDTH, requires_grad=True) for size in sizes]


@EVERY
def test_it_is_an_objective(objective: Objective) -> None:
    assert isinstance(objective, Objective)
    assert dataclasses.replace(objective) == objective  # type: ignore[type-var]
    assert hash(objective) == hash(dataclasses.replace(objective))  # type: ignore[type-var]


@EVERY
def test_corrupt_leaves_its_input_alone(objective: Objective) -> None:
    clean, before = a_batch(), a_batch()
    halfway, _ = MLM(rate=0.9).corrupt(clean, clean, draw_for(clean, 5), VOCAB)
    kept = copy.deepcopy(halfway)
    objective.corrupt(halfway, clean, draw_for(clean), VOCAB)
    assert equal(clean, before)
    assert equal(halfway, kept)


@EVERY
def test_corruption_is_put_on_top_of_what_was_there(objective: Objective) -> None:
    """Words and regions that this objective did not choose come out as they went in."""
    clean = a_batch()
    first, _ = MLM(rate=0.9).corrupt(clean, clean, draw_for(clean, 5), VOCAB)
    first, _ = MRFR(RegionMasks(0.4)).corrupt(first, clean, draw_for(clean, 5), VOCAB)
    both, targets = objective.corrupt(first, clean, draw_for(clean), VOCAB)
    alone, same = objective.corrupt(clean, clean, draw_for(clean), VOCAB)
    assert equal(targets, same)
    changed = alone.text.ids != clean.text.ids
    untouched = ~changed & (first.text.ids == clean.text.ids)
    assert torch.equal(both.text.ids[untouched], clean.text.ids[untouched])
    assert torch.equal(both.region.masked, first.region.masked | alone.region.masked)
    assert not both.region.features[both.region.masked].any()


@EVERY
@settings(max_examples=10)
@given(st.permutations(range(len(ROWS))), st.integers(0, 2**40), st.integers(0, 50))
def test_a_row_is_corrupted_the_same_in_any_company(
    objective: Objective, order: list[int], seed: int, epoch: int
) -> None:
    clean = a_batch()
    whole, targets = objective.corrupt(clean, clean, draw_for(clean, seed, epoch), VOCAB)
    part = select(clean, order[:3])
    some, fewer = objective.corrupt(part, part, draw_for(part, seed, epoch), VOCAB)
    assert equal(some, select(whole, order[:3]))
    streams = {"mlm": "text", "itm": "rows", "wra": "rows"}
    kind = streams.get(objective.name, "region")
    for place, row in enumerate(order[:3]):
        mine = slice(place, place + 1) if kind == "rows" else tokens(getattr(part, kind), place)
        theirs = slice(row, row + 1) if kind == "rows" else tokens(getattr(clean, kind), row)
        one = (fewer.positions >= mine.start) & (fewer.positions < mine.stop)
        other = (targets.positions >= theirs.start) & (targets.positions < theirs.stop)
        assert torch.equal(fewer.positions[one] - mine.start, targets.positions[other] - theirs.start)
        assert torch.equal(fewer.values[one], targets.values[other])


@EVERY
def test_seeds_and_epochs_draw_anew(objective: Objective) -> None:
    clean = a_batch()
    found = [objective.corrupt(clean, clean, draw_for(clean, *key), VOCAB)[0] for key in ((0, 0), (1, 0), (0, 1))]
    drawing = objective.name not in ("itm", "wra")
    assert [equal(found[0], other) for other in found[1:]] == [not drawing, not drawing]


@EVERY
def test_only_what_is_scored_gets_a_gradient(objective: Objective) -> None:
    clean = a_batch()
    corrupted, targets = objective.corrupt(clean, clean, draw_for(clean), VOCAB)
    head = objective.head(context())
    text, region, pooled = outputs(clean)
    loss = objective.loss(head, view_of(corrupted, text, region, pooled), targets)
    assert loss.count == targets.count
    loss.sum.backward()
    kind = {"mlm": 0, "itm": 2}.get(objective.name, 1)
    for number, states in enumerate((text, region, pooled)):
        got = torch.zeros(len(states), dtype=torch.bool) if states.grad is None else (states.grad != 0).any(-1)
        expected = torch.zeros(len(states), dtype=torch.bool)
        if objective.name == "wra" and number < 2:
            expected[:] = True  # it compares all words with all regions
        elif objective.name != "wra" and number == kind:
            expected[targets.positions] = True
        assert torch.equal(got, expected)


@MASKED
@settings(max_examples=10)
@given(st.integers(0, 2**40))
def test_what_is_not_scored_cannot_change_the_loss(objective: Objective, seed: int) -> None:
    """Neither the model's outputs nor the data at other positions."""
    clean = a_batch()
    _, targets = objective.corrupt(clean, clean, draw_for(clean, seed), VOCAB)
    scored = torch.zeros_like(clean.text.special) if objective.name == "mlm" else torch.zeros_like(clean.region.masked)
    scored[targets.positions] = True
    text, region, pooled = outputs(clean)
    head = objective.head(context())
    before = objective.loss(head, view_of(clean, text, region, pooled), targets).sum
    if objective.name == "mlm":
        other = dataclasses.replace(clean.text, ids=torch.where(scored, clean.text.ids, VOCAB.size - 1))
        moved = dataclasses.replace(clean, text=other)
        text, region, pooled = torch.where(scored[:, None], text, 9.0), region + 1, pooled + 1
    else:
        features = torch.where(scored[:, None], clean.region.features, 7.0)
        probs = torch.where(scored[:, None], clean.region.class_probs, 0.5)
        moved = dataclasses.replace(
            clean, region=dataclasses.replace(clean.region, features=features, class_probs=probs)
        )
        text, region, pooled = text + 1, torch.where(scored[:, None], region, 9.0), pooled + 1
    _, again = objective.corrupt(moved, moved, draw_for(clean, seed), VOCAB)
    assert equal(again, targets)
    assert again.count == targets.count
    assert torch.equal(objective.loss(head, view_of(moved, text, region, pooled), again).sum, before)


@MATCHED
def test_only_matched_scores_no_mismatched_pair(objective: Objective) -> None:
    clean = a_batch()
    _, targets = objective.corrupt(clean, clean, draw_for(clean), VOCAB)
    part = clean.text if objective.name == "mlm" else clean.region
    rows = torch.searchsorted(part.offsets, targets.positions, right=True) - 1
    assert set(rows.tolist()) == set(clean.matched.nonzero()[:, 0].tolist())


@MATCHED
def test_what_is_hidden_does_not_tell_which_pairs_match(objective: Objective) -> None:
    """Matching may be learned from the same batch: it must not be read from where something is hidden."""
    clean = a_batch()
    other = dataclasses.replace(clean, matched=~clean.matched)
    hidden, same = (objective.corrupt(batch, batch, draw_for(clean), VOCAB)[0] for batch in (clean, other))
    assert torch.equal(hidden.text.ids, same.text.ids)
    assert equal(hidden.region, same.region)
    parts = (
        (hidden.text.ids != clean.text.ids, clean.text)
        if objective.name == "mlm"
        else (hidden.region.masked, clean.region)
    )
    rows = torch.searchsorted(parts[1].offsets, parts[0].nonzero()[:, 0], right=True) - 1
    assert set(rows.tolist()) == set(range(len(clean)))


@over([name for name in OBJECTIVES if name.startswith("mr")])
def test_what_is_hidden_is_gone(objective: Objective) -> None:
    """Features under a mask reach nothing of the corrupted batch, not even through the whole-image token."""
    clean = a_batch()
    corrupted, _ = objective.corrupt(clean, clean, draw_for(clean), VOCAB)
    assert corrupted.region.masked.any()
    hidden = corrupted.region.masked | clean.region.whole  # the mean of an image knows its regions
    features = torch.where(hidden[:, None], 1e3, clean.region.features)
    other = dataclasses.replace(clean, region=dataclasses.replace(clean.region, features=features))
    again, _ = objective.corrupt(other, other, draw_for(clean), VOCAB)
    assert equal(again, corrupted)


@EVERY
@pytest.mark.parametrize("rows", [[(3, 0), (2, 0)], [(0, 3), (0, 2)], [(0, 0)], [(2, 0), (0, 3), (4, 2)]])
def test_empty_streams(objective: Objective, rows: list[tuple[int, int]]) -> None:
    clean = batch_of(PAGE, *zip(*rows))
    corrupted, targets = objective.corrupt(clean, clean, draw_for(clean), VOCAB)
    assert len(corrupted) == len(clean)
    assert (targets.count == 0) == (targets.positions.numel() == 0)
    if targets.count:
        loss = objective.loss(objective.head(context()), view_of(corrupted, *outputs(clean)), targets)
        assert loss.mean.isfinite()


def test_counts_and_sizes_of_a_micro_batch() -> None:
    clean = a_batch()
    corrupted, targets = MLM().corrupt(clean, clean, draw_for(clean), VOCAB)
    micro = Corrupted(corrupted, {"mlm": targets, "none": Targets(torch.zeros(0).long(), torch.zeros(0), 0.0)})
    assert micro.counts == {"mlm": float(targets.positions.numel()), "none": 0.0}
    assert micro.rows == len(ROWS)
    assert micro.tokens == sum(n + 2 + m + 1 for n, m in ROWS)


def test_positions_of_the_draw_are_those_of_the_rows() -> None:
    clean = a_batch()
    elsewhere = dataclasses.replace(clean, position=clean.position + 1)
    found = [MLM().corrupt(batch, batch, draw_for(batch), VOCAB)[0] for batch in (clean, elsewhere)]
    assert not torch.equal(found[0].text.ids, found[1].text.ids)
    assert np.array_equal(draw_for(clean).positions, clean.position.numpy())
