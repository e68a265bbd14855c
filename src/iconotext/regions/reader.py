"""Pictures through the network, so that no picture's result depends on its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from iconotext.core.fingerprint import Fingerprint
from iconotext.regions.backbone import Maps
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.network import Readout
from iconotext.regions.resize import HEIGHT, RULE, WIDTH, Fitted, fit
from iconotext.regions.weights import Weights

_TOGETHER = {"cpu": 1, "cuda": 32}


@dataclass(frozen=True)
class View:
    """Some pictures as the network sees them; rows of ``pixels`` and ``maps`` beyond ``pictures`` are blank."""

    pictures: list[Fitted]
    pixels: UInt8[Tensor, "B 192 256 3"]
    maps: Maps

    @property
    def extents(self) -> Float[Tensor, "B 2"]:
        """Width and height of the part of the input that each picture fills."""
        extents = torch.full((len(self.pixels), 2), 1.0)
        extents[: len(self.pictures)] = torch.tensor([p.extent for p in self.pictures], dtype=torch.float32)
        return extents.to(self.pixels.device)


@dataclass(frozen=True)
class Reader:
    """Weights on a device.

    The network always sees the same number of pictures at once, the last time filled up with blank ones: kernels differ
    in rounding between shapes, and a score that moves in its last bit can change which box is kept. On a CPU the number
    is one, which is as fast for a network of this size as many (several threads then give several pictures at once).
    """

    weights: Weights
    device: torch.device

    def views(self, pictures: Sequence[Picture]) -> Iterator[View]:
        """The pictures in order, so many at a time."""
        together = _TOGETHER.get(self.device.type, 1)
        for start in range(0, len(pictures), together):
            fitted = [p if isinstance(p, Fitted) else fit(p) for p in pictures[start : start + together]]
            pixels = np.zeros((together, HEIGHT, WIDTH, 3), dtype=np.uint8)
            pixels[: len(fitted)] = [f.pixels for f in fitted]
            tensor = torch.from_numpy(pixels).to(self.device)
            yield View(fitted, tensor, self.weights.network.maps(tensor))

    def fingerprint(self, detector: str, layer: str, boxes: str, feature_dim: int, labels: bool) -> Fingerprint:
        """How a detector that uses this reader makes its features; ``labels`` says whether it names what it sees."""
        return Fingerprint(
            detector=detector,
            weights=self.weights.digest,
            layer=layer,
            resize=RULE,
            colour_order="RGB",
            boxes=boxes,
            dtype="float32",
            feature_dim=feature_dim,
            classes=len(self.weights.classes) + 1 if labels else 0,
            attributes=len(self.weights.attributes) if labels else 0,
        )


HEAD_LAYER = (
    "last hidden layer of the box head, layer-normalised (mean 0, variance 1 over the entries of a region), and 9 zeros; of "
    "a box that is the whole picture 256 zeros, and the quartiles of red, green and blue over every fourth pixel, "
    "(value - 127.5) / 64"
)
"""The feature from which class, colour and box are read by one linear layer each, and what the picture looks like.

The box head learns to see things and to ignore the ground that they stand on. A large network names grass and water as
regions of their own; here one region, the whole picture, tells them by nine numbers. Quartiles hardly change with one
thing, so they do not give away a hidden one.
"""

SURROUNDINGS = 9
"""How many numbers tell what the whole picture looks like."""


def surroundings(picture: Fitted) -> Float32[np.ndarray, "9"]:
    """The quartiles of each colour over a picture, about -2 to 2."""
    width, height = picture.extent
    pixels = picture.pixels[:height:4, :width:4].reshape(-1, 3)
    quartiles: Float32[np.ndarray, "9"] = np.percentile(pixels, (25, 50, 75), axis=0).reshape(-1).astype(np.float32)
    return (quartiles - 127.5) / 64


def covers(boxes: Float[np.ndarray, "R 4"], size: tuple[int, int]) -> Bool[np.ndarray, "R"]:
    """Which boxes are the whole picture, to a hundredth of its sides."""
    slack = np.array(size * 2) / 100
    covering: Bool[np.ndarray, "R"] = np.asarray((np.abs(boxes - (0, 0, *size)) <= slack).all(axis=1))
    return covering


@dataclass(frozen=True)
class Labelled:
    """A readout in probabilities: ``score`` is the highest class probability, background apart."""

    features: Float[Tensor, "N F"]
    probs: Float[Tensor, "N C"]
    score: Float[Tensor, "N"]
    attributes: Float[Tensor, "N A"]

    @classmethod
    def of(cls, readout: Readout) -> Labelled:
        """Softmax over the classes and over the attributes."""
        probs = readout.classes.softmax(dim=-1)
        return cls(readout.features, probs, probs[:, 1:].amax(dim=-1), readout.attributes.softmax(dim=-1))

    def detections(
        self, rows: slice | Tensor, boxes: Float[np.ndarray, "R 4"], scores: Float[Tensor, "R"], picture: Fitted
    ) -> Detections:
        """Some rows as the regions of one picture, with their boxes in its own pixels.

        A box that is the whole picture is no thing: it has the surroundings, the background's class, no attribute, score 0.
        """
        whole = covers(boxes, picture.size)[:, None]
        probs = self.probs[rows].cpu().numpy()
        attribute_scores, attributes = (part.cpu().numpy() for part in self.attributes[rows].max(dim=-1))
        return Detections(
            boxes=boxes.astype(np.float32),
            scores=np.where(whole[:, 0], np.float32(0), scores.cpu().numpy()),
            features=np.concatenate(
                [
                    np.where(whole, np.float32(0), self.features[rows].cpu().numpy()),
                    np.where(whole, surroundings(picture), np.float32(0)),
                ],
                axis=1,
            ),
            class_probs=np.where(whole, np.eye(1, probs.shape[1], dtype=np.float32), probs),
            attributes=np.where(whole[:, 0], -1, attributes - 1).astype(np.int32),
            attribute_scores=np.where(whole[:, 0], np.float32(0), attribute_scores),
        )
