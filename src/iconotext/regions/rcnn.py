"""Any Faster R-CNN of torchvision, with torchvision's weights or those of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.models import detection as detection_models
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models.detection.faster_rcnn import FasterRCNN

from iconotext.core.artefacts import TORCHVISION, Artefact, digest
from iconotext.core.errors import ConfigError, DataError
from iconotext.core.fingerprint import Fingerprint
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.pool import GIVEN, fill, given_boxes, in_groups, inside, labelled, pixels_of, read_state
from iconotext.regions.resize import Fitted, as_it_is
from iconotext.regions.select import Selection, choose

_CLASSES = "roi_heads.box_predictor.cls_score.weight"
LICENCE = "BSD-3-Clause; see torchvision for the pictures it was trained on"
SWAG = "CC-BY-NC-4.0 (SWAG)"
"""The licence of the weights that torchvision gives another one than its own."""


@dataclass(frozen=True)
class Rcnn:
    """A model ready for use, its classes (background first), and what is known of its weights."""

    model: FasterRCNN
    name: str
    sha256: str
    class_names: tuple[str, ...]


def load_rcnn(name: str, weights: Path | None) -> Rcnn:
    """``fasterrcnn_resnet50_fpn`` and the like; ``weights`` is a file, or a name of torchvision's (None: its default).

    Raises:
        ConfigError: torchvision has no such model or weights.
        MissingPiece: the weights are not here.
        DataError: the file holds something else.
    """
    names = [n for n in list_models(module=detection_models) if "rcnn" in n]
    if name not in names:
        raise ConfigError(f"torchvision has no Faster R-CNN called {name!r}; --model is one of {', '.join(names)}")
    path, labels = weights_file(name, weights, f"torchvision:{name}")
    state = read_state(path)
    if _CLASSES not in state:
        raise ConfigError(f"{path} holds no Faster R-CNN of torchvision: it has no {_CLASSES}")
    classes = len(state[_CLASSES])
    model = get_model(name, weights=None, weights_backbone=None, num_classes=classes)
    fill(model, state, path)
    if len(labels) != classes:
        labels = ("background", *(f"class {number}" for number in range(1, classes)))
    return Rcnn(model, name, digest([path]), ("background", *labels[1:]))


def weights_file(name: str, weights: Path | None, asked_by: str) -> tuple[Path, tuple[str, ...]]:
    """The file of a model's weights, given by path or by torchvision's name, and torchvision's classes of that model.

    Raises:
        ConfigError: it is neither a file nor a name.
        MissingPiece: torchvision has these weights, but they are not here.
    """
    known = get_model_weights(name)
    labels = tuple(known["DEFAULT"].meta.get("categories", ()))
    if weights is not None and weights.is_file():
        return weights, labels
    wanted = "DEFAULT" if weights is None else str(weights)
    if wanted not in known.__members__:
        raise ConfigError(
            f"{wanted} is no file, and torchvision's weights of {name} are {', '.join(known.__members__)}"
        )
    found = known[wanted]
    return published(name, found).require(asked_by), tuple(found.meta.get("categories", ()))


def published(name: str, weights: Any) -> Artefact:
    """torchvision's weights as an artefact; it tells the first digits of the hash in the file's name, and a rounded size."""
    file = weights.url.rsplit("/", 1)[-1]
    start = file.rsplit("-", 1)[-1].split(".")[0]
    size = round(weights.meta["_file_size"] * 2**20)
    licence = SWAG if "license" in weights.meta else LICENCE
    return Artefact(f"{TORCHVISION}{name} {weights.name}", file, start, size, licence, (weights.url,))


class RcnnDetector:
    """Boxes as the model finds them; everything that is said of a box is read once more from the box that is handed out.

    A proposal counts as its most probable class, with that class's box and probability, and ``selection`` chooses among
    those (torchvision lets a proposal be several classes at once). The feature is the last layer before class and box, read
    from the final box, as are ``class_probs``; so a box that is given has the feature of one that was found. With ``given``
    boxes the score is the highest class probability.
    """

    attribute_names: tuple[str, ...] = ()
    fit = staticmethod(as_it_is)

    def __init__(self, rcnn: Rcnn, selection: Selection, device: torch.device, given: bool = False) -> None:
        self._model = rcnn.model.to(device)
        self._selection, self._device, self.needs_boxes = selection, device, given
        self.class_names = rcnn.class_names
        rule = rcnn.model.transform
        self.fingerprint = Fingerprint(
            detector=f"torchvision:{rcnn.name}",
            weights=rcnn.sha256,
            layer="box head's last layer before class and box, of the final box",
            resize=(
                f"shorter side {rule.min_size[-1]}, longer at most {rule.max_size}, bilinear, "
                f"zeros to multiples of {rule.size_divisible}"
            ),
            colour_order="RGB",
            boxes=GIVEN if given else str(selection),
            dtype="float32",
            feature_dim=rcnn.model.roi_heads.box_predictor.cls_score.in_features,
            classes=len(rcnn.class_names),
            attributes=0,
        )

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The regions of each picture, the most confident first, or the given ones in their order.

        Raises:
            DataError: boxes are to be given, and were not.
        """
        fitted = [p if isinstance(p, Fitted) else self.fit(p) for p in pictures]
        return in_groups(fitted, self._device, self._alike)

    def _alike(self, pictures: list[Fitted]) -> Iterator[Detections]:
        """The regions of pictures of one shape."""
        try:
            images, _ = self._model.transform(list(pixels_of(pictures, self._device) / 255))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # A picture so thin that one side vanishes.
            sides = "x".join(map(str, pictures[0].size))
            raise DataError(f"the detector cannot bring a picture of {sides} pixels to its size: {error}") from error
        maps = self._model.backbone(images.tensors)
        maps = {"0": maps} if isinstance(maps, Tensor) else maps
        scales = [
            torch.tensor([w / p.size[0], h / p.size[1]] * 2, device=self._device)
            for p, (h, w) in zip(pictures, images.image_sizes)
        ]
        chosen: list[tuple[Tensor, Tensor | None]]
        if self.needs_boxes:
            chosen = [(given_boxes(picture, self._device), None) for picture in pictures]
        else:
            chosen = list(self._find(images, maps, scales))
        heads = self._model.roi_heads
        boxes = [box * scale for (box, _), scale in zip(chosen, scales)]
        features = heads.box_head(heads.box_roi_pool(maps, boxes, images.image_sizes))
        features = features.flatten(1)
        probs = heads.box_predictor(features)[0].softmax(-1)
        start = 0
        for box, confidence in chosen:
            rows = slice(start, start + len(box))
            start += len(box)
            scores = probs[rows, 1:].amax(-1) if confidence is None else confidence
            yield labelled(box, scores, features[rows], probs[rows])

    def _find(self, images: Any, maps: dict[str, Tensor], scales: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Boxes in pixels of the original, and confidences."""
        heads = self._model.roi_heads
        proposals, _ = self._model.rpn(images, maps)
        pooled = heads.box_head(heads.box_roi_pool(maps, proposals, images.image_sizes))
        logits, deltas = heads.box_predictor(pooled)
        scores, best = logits.softmax(-1)[:, 1:].max(-1)
        moved = heads.box_coder.decode(deltas, proposals).reshape(len(logits), -1, 4)
        moved = moved[torch.arange(len(best), device=best.device), best + 1]
        counts = [len(p) for p in proposals]
        parts = zip(moved.split(counts), scores.split(counts), images.image_sizes, scales)
        for boxes, score, (high, wide), scale in parts:
            boxes = inside(boxes, wide, high) / scale
            order, confidence = choose(boxes, score, self._selection)
            yield boxes[order], confidence
