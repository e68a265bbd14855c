"""Patches of plain pixels."""

from __future__ import annotations

import numpy as np
import torch

from iconotext.regions.patches import SIDE, PatchDetector


def test_a_patch_is_what_a_convolution_over_patches_reads() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (192, 256, 3), dtype=np.uint8)
    found = PatchDetector(columns=8, rows=6).detect([pixels])[0]
    convolution = torch.nn.Conv2d(3, 5, SIDE, stride=SIDE)
    seen = convolution((torch.from_numpy(pixels).permute(2, 0, 1).float() - 127.5) / 127.5)
    mapped = torch.from_numpy(found.features) @ convolution.weight.flatten(1).t() + convolution.bias
    torch.testing.assert_close(mapped, seen.flatten(1).t(), rtol=0, atol=1e-5)


def test_patches_tile_a_picture_of_any_shape() -> None:
    pixels = np.zeros((50, 200, 3), np.uint8)
    pixels[:, 100:] = 255
    detector = PatchDetector(columns=4, rows=2)
    found = detector.detect([pixels])[0]
    assert found.boxes[0].tolist() == [0, 0, 50, 25]
    assert found.boxes[-1].tolist() == [150, 25, 200, 50]
    assert found.features.shape == (8, detector.fingerprint.feature_dim)
    means = found.features.mean(1).reshape(2, 4)
    assert np.allclose(means[:, 0], -1)
    assert np.allclose(means[:, 3], 1)
    assert found.class_probs.shape == (8, 0)
