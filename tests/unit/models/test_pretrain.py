"""The pre-training model against a plain padded computation, and with empty streams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import padded
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import CLASSES, FEATURES, PAGES, VOCAB, batch_of, model_of, select, tiny
from torch import Tensor

from iconotext.core.seed import Draw
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.models.trunk import count_parameters, device_of
from iconotext.objectives.base import Corrupted
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import Together, corrupt, objectives
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrfr import MRFR
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT

CLOSE = {"rtol": 0.0, "atol": 2e-5}
OWN_DECODER = tiny(VILBERT, Together((MLM(rate=0.4), MRFR(RegionMasks(0.4), tied=False))))
PRE = {f"{page.name}, pre": tiny(page, norm="pre") for page in (UNITER, VILBERT)}
NAMED = {**PAGES, **PRE, "vilbert, own decoder": OWN_DECODER}
EVERY = pytest.mark.parametrize("name", NAMED)
SHAPES = ((4, 1, 6, 2, 3), (3, 5, 1, 2, 4))


def corrupted(page: System, words: tuple[int, ...], counts: tuple[int, ...], pattern: str = "full") -> Corrupted:
    batch = batch_of(page, words, counts, pattern=pattern)
    return corrupt(objectives(page.mix), batch, Draw(0, 0, batch.position.numpy()), VOCAB)


def gradients(model: PretrainModel, losses: dict[str, Tensor]) -> dict[str, Tensor]:
    names, parameters = zip(*model.named_parameters())
    total = sum((model.objectives[name].weight * loss for name, loss in losses.items()), torch.zeros(()))
    return dict(zip(names, torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True)))


@pytest.mark.parametrize("pattern", ["full", "seq2seq"])
@EVERY
def test_packed_and_padded_give_the_same_losses_and_gradients(name: str, pattern: str) -> None:
    model, case = model_of(NAMED[name]), corrupted(NAMED[name], *SHAPES, pattern)
    mine, theirs = {n: loss.mean for n, loss in model(case).items()}, padded.losses(model, case)
    assert mine.keys() == theirs.keys() == set(model.objectives)
    for loss in mine:
        torch.testing.assert_close(mine[loss], theirs[loss], **CLOSE)
    ours, plain = gradients(model, mine), gradients(model, theirs)
    for parameter in ours:
        torch.testing.assert_close(
            ours[parameter], plain[parameter], msg=lambda text, p=parameter: f"{p}: {text}", **CLOSE
        )
    if name in PAGES and pattern == "full":
        assert all(gradient.any() for gradient in ours.values())  # nothing in the model goes unused


@EVERY
def test_losses_of_parts_add_up(name: str) -> None:
    """Sums and counts of rows alone are those of the batch, so that micro-batches and processes can share one."""
    model, case = model_of(NAMED[name]), corrupted(NAMED[name], *SHAPES)
    whole = model(case)
    sums = dict.fromkeys(whole, 0.0)
    counts = dict.fromkeys(whole, 0.0)
    clean = batch_of(NAMED[name], *SHAPES)
    for row in range(len(clean)):
        part = select(clean, [row])
        for loss, value in model(
            corrupt(objectives(NAMED[name].mix), part, Draw(0, 0, part.position.numpy()), VOCAB)
        ).items():
            sums[loss] += float(value.sum.detach())
            counts[loss] += float(value.count)
    for loss, value in whole.items():
        assert counts[loss] == value.count
        assert sums[loss] == pytest.approx(float(value.sum.detach()), abs=1e-4)


@pytest.mark.parametrize("name", PAGES)
@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4))
def test_any_lengths_agree_with_padded(name: str, lengths: list[tuple[int, int]]) -> None:
    words, counts = zip(*lengths)
    model, case = model_of(PAGES[name]), corrupted(PAGES[name], words, counts)
    theirs = padded.losses(model, case)
    for loss, value in model(case).items():
        torch.testing.assert_close(value.mean, theirs.get(loss, torch.tensor(0.0)), **CLOSE)


@pytest.mark.parametrize(
    ("words", "counts"),
    [((3, 2), (0, 0)), ((0, 0), (3, 2)), ((3, 4), (0, 2)), ((3, 0), (2, 4)), ((2, 0, 3), (0, 3, 2)), ((1,), (0,))],
    ids=["text only", "regions only", "a row without regions", "a row without words", "both", "one row"],
)
@pytest.mark.parametrize("name", PAGES)
def test_a_batch_with_an_empty_stream_works(name: str, words: tuple[int, ...], counts: tuple[int, ...]) -> None:
    model, case = model_of(PAGES[name]).train(), corrupted(PAGES[name], words, counts)
    losses = model(case)
    assert losses.keys() == case.targets.keys()
    assert all(loss.mean.isfinite() for loss in losses.values())
    assert {n: loss.count.item() for n, loss in losses.items()} == case.counts
    sum((loss.mean for loss in losses.values()), torch.zeros(())).backward()
    found = [p.grad for p in model.parameters() if p.grad is not None]
    assert found
    assert all(gradient.isfinite().all() for gradient in found)


@pytest.mark.parametrize("name", PAGES)
def test_what_scores_nothing_gives_nothing_over_nothing(name: str) -> None:
    losses = model_of(PAGES[name])(corrupted(PAGES[name], (3,), (0,)))
    for loss in ("mrfr", "mrc_soft", "mrc_hard"):
        assert losses[loss].sum == losses[loss].count == losses[loss].mean == 0


@pytest.mark.parametrize("name", PAGES)
def test_recomputation_gives_the_same_losses_and_gradients(name: str) -> None:
    case = corrupted(PAGES[name], *SHAPES)
    found = []
    for recompute in (False, True):
        model = model_of(PAGES[name], recompute=recompute).train()
        torch.manual_seed(7)
        losses = {n: loss.mean for n, loss in model(case).items()}
        found.append({**losses, **gradients(model, losses)})
    assert all(torch.equal(value, found[1][n]) for n, value in found[0].items())


def test_the_pooled_rows_are_made_once_and_only_when_asked_for() -> None:
    model, case = model_of(PAGES["uniter"]), corrupted(PAGES["uniter"], *SHAPES)
    calls = []
    model.trunk.pooler.register_forward_hook(lambda *_: calls.append(1))
    view = model.view(case.batch)
    assert not calls
    assert view.pooled() is view.pooled()
    assert len(calls) == 1
    encoded, pooled = model.encode(case.batch)
    assert torch.equal(pooled, view.pooled())
    assert torch.equal(encoded.text, view.encoded.text)


@EVERY
@torch.no_grad()
def test_other_regions_give_another_match(name: str) -> None:
    model, batch = model_of(NAMED[name]), batch_of(NAMED[name], *SHAPES)
    other = batch_of(NAMED[name], *SHAPES, seed=5)
    swapped = type(batch)(batch.text, other.region, batch.matched, batch.position)
    before, after = model.encode(batch)[1], model.encode(swapped)[1]
    assert ((before - after).abs().max(1).values > 1e-3).all()


@pytest.mark.parametrize("name", PAGES)
def test_half_precision_stays_near(name: str) -> None:
    model, case = model_of(PAGES[name]), corrupted(PAGES[name], *SHAPES)
    full = model(case)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(case)
    for loss, value in half.items():
        assert value.sum.dtype == torch.float32
        assert float(value.mean.detach()) == pytest.approx(float(full[loss].mean.detach()), rel=0.1, abs=0.05)
    sum((loss.mean for loss in half.values()), torch.zeros(())).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_compiled_model_gives_the_same_losses_and_gradients() -> None:
    """By the tracer and the backward graphs of torch.compile (its "aot_eager"), which need no C++ compiler."""
    script = Path(__file__).parents[2] / "helpers" / "compiled.py"
    done = subprocess.run([sys.executable, str(script), "aot_eager"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2e-5


def test_sizes_and_devices() -> None:
    model = model_of(PAGES["uniter"])
    assert model.shape == {"vocabulary": VOCAB.size, "feature_dim": FEATURES, "classes": CLASSES, "attributes": 0}
    assert device_of(model) == torch.device("cpu")
    assert device_of(model.to("meta")) == torch.device("meta")
    assert count_parameters(model.heads["itm"]) == 2 * 16 + 2


def test_a_model_begins_as_its_page_says() -> None:
    torch.manual_seed(0)
    for init, expected in ((0.02, 0.02), (0.0, 0.25)):
        model = PretrainModel(tiny(UNITER, init=init), VOCAB.size, FEATURES, CLASSES)
        weights = [p.flatten() for n, p in model.named_parameters() if n.endswith("weight") and "norm" not in n]
        wide = torch.cat([w for w in weights if w.numel() > 700])
        assert float(wide.detach().std()) == pytest.approx(expected, rel=0.1)
        assert not any(p.any() for n, p in model.named_parameters() if n.endswith("bias"))
        assert float(model.trunk.region.mask_vector.detach().std()) == pytest.approx(0.02, rel=0.8)
