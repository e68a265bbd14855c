"""The detector of the built-in world: finds the regions of a picture and names their class and colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn.functional import pad

from iconotext.regions import resize
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.network import refine
from iconotext.regions.reader import HEAD_LAYER, SURROUNDINGS, Labelled, Reader, View
from iconotext.regions.select import Selection, confidences, select

PICTURE = "; then the whole picture"
"""What the fingerprint says of the boxes after those of the selection."""


class WorldDetector:
    """Regions by confidence, described from their final boxes, and after them the whole picture.

    ``scores`` are the confidences of the selection, so they descend, and a box that is kept only to reach the minimum
    although a better one covers it has 0, as has the whole picture.
    """

    needs_boxes = False
    fit = staticmethod(resize.fit)

    def __init__(self, reader: Reader, selection: Selection) -> None:
        weights = reader.weights
        self.class_names = ("background", *weights.classes)
        self.attribute_names = weights.attributes
        width = weights.network.shape.feature + SURROUNDINGS
        self.fingerprint = reader.fingerprint("world", HEAD_LAYER, f"{selection}{PICTURE}", width, labels=True)
        self._reader, self._selection = reader, selection

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The regions of each picture, the most confident first."""
        return [regions for view in self._reader.views(pictures) for regions in self._regions(view)]

    def _regions(self, view: View) -> Iterator[Detections]:
        network = self._reader.weights.network
        proposals, _ = network.propose(view.maps)
        boxes = refine(proposals, network.read(view.maps, proposals), view.extents)
        whole = pad(view.extents, (2, 0))[:, None]
        found = Labelled.of(network.read(view.maps, torch.cat([boxes, whole], dim=1)))
        many = boxes.shape[1]
        confidence = confidences(boxes, found.score.view(-1, many + 1)[:, :many], self._selection.nms)
        order, counts = select(confidence, self._selection)
        for index, picture in enumerate(view.pictures):
            chosen = order[index, : counts[index]]
            rows = index * (many + 1) + pad(chosen, (0, 1), value=many)
            things = boxes[index, chosen].cpu().numpy() / picture.scale
            placed = np.concatenate([things, np.array([(0, 0, *picture.size)], np.float32)])
            yield found.detections(rows, placed, pad(confidence[index, chosen], (0, 1)), picture)
