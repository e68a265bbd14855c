"""The dual encoder's page: no side ever reads the other."""

from __future__ import annotations

import torch
from samples import batch_of, model_of, select, tiny

from iconotext.nn.schedule import twin_layer
from iconotext.objectives.contrastive import Contrastive
from iconotext.systems.dual_encoder import DUAL_ENCODER

PAGE = tiny(DUAL_ENCODER, schedule=2 * twin_layer(), mix=Contrastive(width=10))
BATCH = batch_of(PAGE, [3, 1, 2], [2, 4, 1])


def test_each_side_can_be_computed_once_and_kept() -> None:
    assert DUAL_ENCODER.separable
    assert DUAL_ENCODER.streams == "dual encoder"


@torch.no_grad()
def test_the_vector_of_a_side_does_not_depend_on_the_other() -> None:
    model = model_of(PAGE)
    head = model.heads["contrastive"]
    encoded = model.trunk(BATCH)
    other = batch_of(PAGE, [2, 5, 4], [3, 1, 2], seed=5)
    texts = model.trunk(type(BATCH)(BATCH.text, other.region, BATCH.matched, BATCH.position))
    images = model.trunk(type(BATCH)(other.text, BATCH.region, BATCH.matched, BATCH.position))
    torch.testing.assert_close(head.texts(texts), head.texts(encoded))
    torch.testing.assert_close(head.images(images), head.images(encoded))
    assert not torch.allclose(head.images(texts), head.images(encoded))


@torch.no_grad()
def test_a_score_does_not_depend_on_the_batch() -> None:
    model = model_of(PAGE)
    scores = model.heads["contrastive"](model.trunk(BATCH))
    part = model.heads["contrastive"](model.trunk(select(BATCH, [2, 0])))
    torch.testing.assert_close(part, scores[[2, 0]][:, [2, 0]])
