"""The sum and the mean of the regions' terms."""

from __future__ import annotations

import dataclasses

import torch
from samples import FEATURES, PAGES, batch_of

from iconotext.core.batch import row_of
from iconotext.models.trunk import dims_of
from iconotext.nn.region_embed import RegionEmbedder
from iconotext.nn.terms import AfterWords, Feature, ImageToken, Location, RegionEmbedding, TextEmbedding
from iconotext.nn.text_embed import TextEmbedder

PAGE = PAGES["uniter"]
BATCH = batch_of(PAGE, [1, 2], [3, 2])


def embedder(embedding: RegionEmbedding) -> RegionEmbedder:
    torch.manual_seed(0)
    dims = dims_of(PAGE)
    return RegionEmbedder(embedding, dims, FEATURES, TextEmbedder(TextEmbedding(), dims, 30)).eval()


@torch.no_grad()
def test_the_mean_of_normed_terms_has_no_norm_of_its_own() -> None:
    terms = (Feature(norm=True), Location("box7", norm=True))
    mean, total = embedder(RegionEmbedding(terms, mean=True)), embedder(RegionEmbedding(terms))
    assert {*total.state_dict()} - {*mean.state_dict()} == {"norm.weight", "norm.bias"}
    parts = [
        mean.norms[name](mean.linear[name](value))
        for name, value in (("feature", BATCH.region.features), ("location", BATCH.region.location))
    ]
    torch.testing.assert_close(mean(BATCH), (parts[0] + parts[1]) / 2)
    torch.testing.assert_close(total(BATCH), total.norm(parts[0] + parts[1]))


@torch.no_grad()
def test_the_last_region_stands_for_end_one_place_on_unless_words_name_another() -> None:
    terms = (Feature(), ImageToken(hidden=False, end=True), AfterWords())
    module = embedder(RegionEmbedding(terms, shared_norm=True))
    for table in (module.image, module.end, module._shared["after"]):
        torch.nn.init.normal_(table.weight)

    def expected(ends: list[bool]) -> torch.Tensor:
        end = torch.tensor(ends)
        place = torch.tensor([3, 3, 3, 4, 4]) + end  # [CLS], a word, [SEP]; [CLS], two words, [SEP]
        word = torch.where(end[:, None], module.end.weight, module.image.weight)
        total = module.linear["feature"](BATCH.region.features) + word + module._shared["after"].weight[place]
        return module._shared["norm"](total)

    torch.testing.assert_close(module(BATCH), expected([False, False, True, False, True]))
    named = torch.where(row_of(BATCH.text.offsets) == 0, 1, -1)
    linked = dataclasses.replace(BATCH, text=dataclasses.replace(BATCH.text, link=named))
    torch.testing.assert_close(module(linked), expected([False, True, False, False, True]))


def test_end_of_rows_without_words_or_regions() -> None:
    terms = (Feature(), ImageToken(end=True), AfterWords())
    module = embedder(RegionEmbedding(terms))
    for words, counts in (([0, 2], [2, 3]), ([2, 2], [0, 3]), ([1, 0], [2, 0]), ([2, 1], [0, 0])):
        batch = batch_of(PAGE, words, counts)
        assert module(batch).shape == (sum(counts), 16)
        assert module(batch).isfinite().all()
