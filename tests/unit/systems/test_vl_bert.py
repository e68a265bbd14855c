"""VL-BERT's page: its size, and that a new model says nothing of what it sees."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from samples import CLASSES, FEATURES, VOCAB, batch_of, tiny

from iconotext.core.batch import END, Batch
from iconotext.core.seed import Draw
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.objectives.mix import corrupt, objectives
from iconotext.systems.vl_bert import VL_BERT

PAGE = tiny(VL_BERT, VL_BERT.mix)


def test_parameters_of_the_original_module() -> None:
    """Counted from the shapes of the published names; the pooler is ours until a task needs it."""
    d, words, classes = 768, 30522, 1601
    layer = 4 * (d * d + d) + 2 * d * 3072 + 3072 + d + 4 * d
    embeddings = (words + 512 + 3) * d + 2 * d + 4 * d  # tables, their norm, two norms of the appearance
    special = 4 * d + 2048  # [END], [IMG], hidden [IMG], the look of no picture; the feature of a hidden region
    heads = (d * d + d + 2 * d + words) + (d * d + d + d * classes + classes)
    expected = 12 * layer + embeddings + special + (4096 * d + d) + heads + (d * d + d)
    with torch.device("meta"):
        assert count_parameters(PretrainModel(VL_BERT, words, 2048, classes)) == expected


def ended(batch: Batch) -> Batch:
    """The last token of each row as [END]."""
    text = batch.text
    last = text.offsets[1:] - 1
    ids, position, segment = text.ids.clone(), text.position.clone(), text.segment.clone()
    ids[last], segment[last] = END, 2
    position[last] += 1
    return dataclasses.replace(batch, text=dataclasses.replace(text, ids=ids, position=position, segment=segment))


@torch.no_grad()
def test_a_new_model_reads_nothing_of_the_features() -> None:
    torch.manual_seed(0)
    model = PretrainModel(PAGE, VOCAB.size, FEATURES, CLASSES).eval()
    batch = ended(batch_of(PAGE, [4, 2], [3, 2]))
    other = dataclasses.replace(batch.region, features=batch.region.features + 1, location=batch.region.location + 1)
    before, after = model.trunk(batch), model.trunk(dataclasses.replace(batch, region=other))
    assert torch.equal(before.text, after.text)
    assert torch.equal(before.region, after.region)


@torch.no_grad()
def test_every_word_carries_the_whole_image_and_end_does_not() -> None:
    torch.manual_seed(0)
    model = PretrainModel(PAGE, VOCAB.size, FEATURES, CLASSES).eval()
    for norm in (model.trunk.text.looks.take.norm, model.trunk.region.take.norm):
        norm.weight.fill_(1.0)
    batch = ended(batch_of(PAGE, [4, 2], [3, 2]))
    features = batch.region.features.clone()
    features[batch.region.whole] += 1
    before = model.trunk.embed(batch)
    after = model.trunk.embed(dataclasses.replace(batch, region=dataclasses.replace(batch.region, features=features)))
    changed = (before["text"] != after["text"]).any(1)
    assert torch.equal(changed, batch.text.ids != END)
    assert torch.equal((before["region"] != after["region"]).any(1), batch.region.whole)


@torch.no_grad()
def test_what_is_hidden_cannot_be_read_from_the_whole_image() -> None:
    """The feature of the whole image is made again from the regions that stay visible."""
    torch.manual_seed(0)
    model = PretrainModel(PAGE, VOCAB.size, FEATURES, CLASSES).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.2)
    batch = ended(batch_of(PAGE, [4] * 20, [6] * 20))
    pairs = next(o for o in objectives(PAGE.mix) if o.name == "mrc_soft")
    corrupted = corrupt((pairs,), batch, Draw(0, 0, np.arange(20)), VOCAB)
    hidden = corrupted.batch.region.masked
    assert hidden.any()
    moved = torch.where(hidden[:, None], batch.region.features + 5, batch.region.features)
    whole = batch.region.whole
    moved[whole] = torch.stack([part[1:].mean(0) for part in moved.split(7)])
    other = dataclasses.replace(batch, region=dataclasses.replace(batch.region, features=moved))
    again = corrupt((pairs,), other, Draw(0, 0, np.arange(20)), VOCAB)
    before, after = model.trunk(corrupted.batch), model.trunk(again.batch)
    torch.testing.assert_close(before.text, after.text, rtol=0, atol=1e-5)
    torch.testing.assert_close(before.region, after.region, rtol=0, atol=1e-5)
