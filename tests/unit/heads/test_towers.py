"""Both sides in one space."""

from __future__ import annotations

import math

import torch

from iconotext.core.batch import Encoded
from iconotext.heads.towers import Towers

TEXT_OFFSETS, REGION_OFFSETS = torch.tensor([0, 2, 5]), torch.tensor([0, 3, 4])


def encoded() -> Encoded:
    torch.manual_seed(0)
    return Encoded(torch.randn(5, 16), torch.randn(4, 12), TEXT_OFFSETS, REGION_OFFSETS)


def test_scores_are_cosines_over_the_temperature() -> None:
    towers, x = Towers(16, 12, 8, temperature=0.5), encoded()
    texts, images = towers.texts(x), towers.images(x)
    torch.testing.assert_close(texts.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(images.norm(dim=1), torch.ones(2))
    cosine = torch.nn.functional.cosine_similarity(towers.text(x.text[0]), towers.region(x.region[3]), dim=0)
    torch.testing.assert_close(towers(x)[0, 1], 2 * cosine)
    assert towers(x).shape == (2, 2)


def test_the_temperature_is_learned_and_never_below_a_hundredth() -> None:
    towers = Towers(16, 12, 8, temperature=0.07)
    towers(encoded()).sum().backward()
    assert towers.scale.grad is not None
    with torch.no_grad():
        towers.scale.fill_(20.0)
    x = encoded()
    torch.testing.assert_close(towers(x), 100 * towers.texts(x) @ towers.images(x).t())
    assert math.isclose(Towers(16, 12, 8, 0.07).scale.exp().item(), 1 / 0.07, rel_tol=1e-6)
