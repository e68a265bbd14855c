"""Features taken again without the pixels of hidden regions (VL-BERT's end-to-end masking), for pictures that are at hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from iconotext.core.batch import Region
from iconotext.core.errors import FingerprintError
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.objectives.base import Corrupted
from iconotext.objectives.masking import hide
from iconotext.regions import Detector, DetectorOptions, fit, open_detector
from iconotext.regions.blank import blank


@dataclass(frozen=True)
class Retake:
    """Overlapping regions, and the whole image, lose what a hidden region shows: their features are made from what is left.

    ``detector`` describes given boxes as the store's detector described its own.
    """

    data: DataSet
    detector: Detector

    @classmethod
    def of(cls, data: DataSet, store: RegionStore, weights: Path | None) -> Retake:
        """With the detector's ``weights``, which have to be those that made the store (None: those in the package).

        Raises:
            FingerprintError: the store was made in another way.
        """
        detector = open_detector("boxes", DetectorOptions(weights=weights, device="cpu"))
        theirs, ours = store.fingerprint, detector.fingerprint
        if (theirs.weights, theirs.layer, theirs.resize) != (ours.weights, ours.layer, ours.resize):
            raise FingerprintError(
                f"{store.path}: these features are not those of the box head that would take them again. Extract with "
                "`iconotext extract` (world or boxes), or name the weights that it was given (--weights)."
            )
        return cls(data, detector)

    def __call__(self, corrupted: Corrupted, images: Sequence[str]) -> Corrupted:
        """The batch with every feature of pictures that have hidden regions made again; ``images`` are those of the rows."""
        region = corrupted.batch.region
        rows = [i for i in range(len(images)) if bool(region.masked[_tokens(region, i)].any())]
        if not rows:
            return corrupted
        pictures, features = [], region.features.clone()
        for i in rows:
            at = _tokens(region, i)
            own, hidden = ~region.whole[at], region.masked[at]
            boxes = region.boxes[at].numpy()
            fitted = fit(np.asarray(self.data.image(images[i])), boxes[own.numpy()])
            pictures.append(blank(fitted, boxes[hidden.numpy()]))
        for i, found in zip(rows, self.detector.detect(pictures)):
            at = _tokens(region, i)
            own = ~region.whole[at]
            features[at][own] = torch.from_numpy(found.features).to(features.dtype)
        none = torch.zeros_like(region.masked)
        again = hide(dataclasses.replace(region, features=features), none)
        return dataclasses.replace(corrupted, batch=dataclasses.replace(corrupted.batch, region=again))


def _tokens(region: Region, row: int) -> slice:
    begin, end = region.offsets[row : row + 2].tolist()
    return slice(begin, end)
