"""The sum and the mean of the regions' terms."""

from __future__ import annotations

import torch
from samples import FEATURES, PAGES, batch_of

from iconotext.models.trunk import dims_of
from iconotext.nn.region_embed import RegionEmbedder
from iconotext.nn.terms import Feature, Location, RegionEmbedding, TextEmbedding
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
