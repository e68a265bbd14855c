"""Pixels under some boxes taken out of a picture, so that no other box and no whole image shows them (VL-BERT)."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from iconotext.regions.reader import covers
from iconotext.regions.resize import GREY, Fitted


def blank(picture: Fitted, boxes: Float[np.ndarray, "H 4"]) -> Fitted:
    """The picture with grey under ``boxes`` (pixels of the original), which is what the network sees beside a picture.

    A pixel that a box touches is taken out whole. A box that is the whole picture would leave nothing: it takes nothing out.
    """
    pixels = picture.pixels.copy()
    inside = boxes[~covers(boxes, picture.size)] * picture.scale
    for left, top, right, bottom in np.concatenate([np.floor(inside[:, :2]), np.ceil(inside[:, 2:])], axis=1).astype(
        int
    ):
        pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = GREY
    return dataclasses.replace(picture, pixels=pixels)
