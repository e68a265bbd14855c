"""Regions from boxes that are given: those of the data, of another detector, or of a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch.nn.functional import pad

from iconotext.core.errors import DataError
from iconotext.regions import resize
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.pool import GIVEN
from iconotext.regions.reader import HEAD_LAYER, SURROUNDINGS, Labelled, Reader, View


class BoxesDetector:
    """Exactly the given boxes in their order, described as the world's detector describes its own.

    ``scores`` are the highest class probability of each box, background apart.
    """

    needs_boxes = True
    fit = staticmethod(resize.fit)

    def __init__(self, reader: Reader) -> None:
        weights = reader.weights
        self.class_names = ("background", *weights.classes)
        self.attribute_names = weights.attributes
        width = weights.network.shape.feature + SURROUNDINGS
        self.fingerprint = reader.fingerprint("boxes", HEAD_LAYER, GIVEN, width, labels=True)
        self._reader = reader

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The regions of each picture, which has to be a ``Fitted`` with boxes.

        Raises:
            DataError: no boxes were given.
        """
        return [regions for view in self._reader.views(pictures) for regions in self._regions(view)]

    def _regions(self, view: View) -> Iterator[Detections]:
        boxes = [_given(picture.boxes) for picture in view.pictures]
        scaled = np.concatenate([b * picture.scale for b, picture in zip(boxes, view.pictures)])
        picture = torch.arange(len(boxes)).repeat_interleave(torch.tensor([len(b) for b in boxes]))
        rois = pad(torch.from_numpy(scaled), (1, 0)) + pad(picture[:, None], (0, 4))
        found = Labelled.of(self._reader.weights.network.head(view.maps.joint, rois.to(view.pixels.device)))
        start = 0
        for mine, fitted in zip(boxes, view.pictures):
            rows = slice(start, start + len(mine))
            yield found.detections(rows, mine, found.score[rows], fitted)
            start += len(mine)


def _given(boxes: Float32[np.ndarray, "R 4"] | None) -> Float32[np.ndarray, "R 4"]:
    if boxes is None:
        raise DataError("the detector `boxes` needs the boxes of each picture: give them with `fit(picture, boxes)`")
    return boxes
