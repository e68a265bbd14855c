"""VL-BERT's appearance: the numbers of its own code, and what words carry."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from samples import batch_of, tiny

from iconotext.core.batch import END, Batch
from iconotext.nn.appearance import AppearanceMap, Take, WordLooks, sines_and_cosines
from iconotext.nn.location import encode_location
from iconotext.nn.streams import Dims
from iconotext.nn.terms import Appearance, WholeImage
from iconotext.systems.uniter import UNITER

DIMS = Dims({"text": 6, "region": 6}, {"text": 2, "region": 2}, {"text": 8, "region": 8})


def test_the_numbers_of_the_original() -> None:
    place = encode_location("sincos", torch.tensor([[10.0, 20, 110, 220]]), torch.tensor([[400.0, 300]]))
    found = sines_and_cosines(place, 256).view(4, 512)
    torch.testing.assert_close(found[0, :3], torch.tensor([0.650287, 0.894496, 0.997205]), rtol=0, atol=2e-6)
    torch.testing.assert_close(found[0, 256:259], torch.tensor([-0.759689, -0.447076, -0.074717]), rtol=0, atol=2e-6)
    assert float(found[3, 255]) == pytest.approx(0.0684365, abs=2e-6)
    assert float(found[3, 511]) == pytest.approx(0.997655, abs=2e-6)
    assert float(found.sum()) == pytest.approx(654.569, abs=1e-3)


def test_a_hidden_region_keeps_its_place_and_loses_its_feature() -> None:
    region = batch_of(tiny(UNITER), [1], [3]).region
    region = dataclasses.replace(region, location=region.location[:, :4], masked=torch.tensor([False, True, True]))
    look = AppearanceMap(Appearance(sines=2), DIMS, region.features.shape[1]).eval()
    before = look(region)
    after = look(dataclasses.replace(region, features=region.features + torch.tensor([[1.0], [1.0], [0.0]])))
    assert torch.equal(before[1:], after[1:])
    assert not torch.equal(before[0], after[0])
    moved = look(dataclasses.replace(region, location=region.location + 1))
    assert (moved != before).any(1).all()


@pytest.mark.parametrize("gain", ["norm", "scale"])
def test_nothing_is_taken_at_the_beginning(gain: str) -> None:
    take = Take(Appearance(gain=gain), 4, 6, 1e-12)
    assert not take(torch.randn(3, 4)).any()
    begun = Take(Appearance(gain=gain, begin=1.0), 6, 6, 1e-12)
    assert begun(torch.randn(3, 6)).any()


def rows() -> tuple[Batch, torch.Tensor]:
    batch = batch_of(tiny(UNITER), [1, 1, 0], [2, 0, 3])
    text = batch.text
    link, ids = text.link.clone(), text.ids.clone()
    link[1], ids[2], ids[5] = 1, END, END
    return dataclasses.replace(batch, text=dataclasses.replace(text, ids=ids, link=link)), torch.randn(5, 6)


def test_words_carry_the_first_region_or_the_one_that_they_name() -> None:
    batch, looks = rows()
    carried = WordLooks(WholeImage(gain="scale", begin=1.0), DIMS)(looks, batch)
    assert torch.equal(carried[:2], looks[:2])  # [CLS] the first, the word the second
    assert not carried[2:].any()  # [END], and a row without regions


def test_words_alone_carry_a_learned_vector() -> None:
    batch, looks = rows()
    words = WordLooks(WholeImage(gain="scale", begin=1.0, alone=True), DIMS)
    carried = words(looks, batch)
    assert words.alone is not None
    assert torch.equal(carried[3:5], words.alone.weight.expand(2, -1))
    assert not carried[[2, 5]].any()
    assert torch.equal(words(looks[:0], dataclasses.replace(batch, region=no_regions(batch)))[:1], words.alone.weight)


def no_regions(batch: Batch) -> object:
    return batch_of(tiny(UNITER), [1, 1, 0], [0, 0, 0]).region


def test_words_may_carry_the_last_region() -> None:
    batch, looks = rows()
    module = WordLooks(WholeImage(region="last", begin=1.0), DIMS)
    carried = module(looks, batch)
    torch.testing.assert_close(carried[:2], module.take(looks[[1, 1]]))
