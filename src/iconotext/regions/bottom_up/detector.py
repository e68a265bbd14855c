"""Bottom-up attention as a detector: the features that VL-BERT, UNITER, LXMERT and others were trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from iconotext.core.artefacts import digest
from iconotext.core.errors import DataError
from iconotext.core.fingerprint import Fingerprint
from iconotext.regions.bottom_up.boxes import ProposalRules, grid_anchors, propose, snap
from iconotext.regions.bottom_up.convert import convert, shape_of
from iconotext.regions.bottom_up.network import BottomUpNetwork, BoxReadout
from iconotext.regions.bottom_up.select import PublishedSelection, select
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.pool import GIVEN, fill, given_boxes, in_groups, read_state
from iconotext.regions.resize import Fitted, as_it_is

SHORT, LONG = 600, 1000
MEANS = (102.9801, 115.9465, 122.7717)
"""Of blue, green and red."""
THINNEST = 16
"""Pixels of the shorter side, at least, once the longer one is brought to 1000."""
PUBLISHED = ProposalRules()
LAYER = "pool5: mean of res5 over 14x14 cells pooled from res4, of the proposal before box regression"


@dataclass(frozen=True)
class BottomUp:
    """A network ready for use, its names (background and "none" left out), and the hash of its weights."""

    network: BottomUpNetwork
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    sha256: str


def load_bottom_up(path: Path) -> BottomUp:
    """The network of a published file, or of one of ours.

    Names are read from `objects_vocab.txt` and `attributes_vocab.txt` beside the file, as they are published, a line each.

    Raises:
        MissingPiece: there is no such file.
        DataError: it holds something else, or the names are of another number.
    """
    state = convert(read_state(path))
    shape = shape_of(state)
    with torch.device("meta"):
        network = BottomUpNetwork(shape)
    network.to_empty(device="cpu")
    fill(network, state, path)
    classes = _names(path.parent / "objects_vocab.txt", "object", shape.classes)
    attributes = _names(path.parent / "attributes_vocab.txt", "attribute", shape.attributes)
    return BottomUp(network, classes, attributes, digest([path]))


def _names(file: Path, kind: str, count: int) -> tuple[str, ...]:
    """The first of the synonyms of each line; numbers where there is no such file."""
    if not file.is_file():
        return tuple(f"{kind} {number}" for number in range(1, count + 1))
    names = tuple(line.split(",")[0].strip().lower() for line in file.read_text("utf-8").splitlines())
    if len(names) != count:
        raise DataError(f"{file} has {len(names)} names, but the weights know {count}")
    return names


class BottomUpDetector:
    """The proposals that ``selection`` chooses, before box regression, described by pool5.

    ``scores`` are confidences (``PublishedSelection``), ``class_probs`` all classes after the background, attributes the most
    probable one of those that are not "none". With ``given`` boxes the score is the highest class probability. A picture so
    thin that its shorter side would fall below 16 pixels is refused.
    """

    def __init__(
        self,
        model: BottomUp,
        selection: PublishedSelection,
        device: torch.device,
        given: bool = False,
        rules: ProposalRules = PUBLISHED,
    ) -> None:
        self._network = model.network.to(device)
        self._selection, self._device, self._rules, self.needs_boxes = selection, device, rules, given
        self.class_names = ("background", *model.classes)
        self.attribute_names = model.attributes
        self.fingerprint = Fingerprint(
            detector="bottom-up",
            weights=model.sha256,
            layer=LAYER,
            resize=f"shorter side {SHORT}, longer at most {LONG}, bilinear, no antialias",
            colour_order=f"BGR minus {MEANS}",
            boxes=GIVEN if given else str(selection),
            dtype="float32",
            feature_dim=model.network.shape.feature,
            classes=len(self.class_names),
            attributes=len(self.attribute_names),
        )

    def fit(self, picture: UInt8[np.ndarray, "_ _ 3"], boxes: Float32[np.ndarray, "_ 4"] | None = None) -> Fitted:
        """The picture as it is; it is resized on the device.

        Raises:
            DataError: it is too thin, or a given box is empty or not finite.
        """
        height, width = picture.shape[:2]
        if min(height, width) * scale_of(width, height) < THINNEST:
            raise DataError(
                f"{width}x{height} pixels: at {LONG} pixels of length fewer than {THINNEST} would be left across"
            )
        return as_it_is(picture, boxes)

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The regions of each picture.

        Raises:
            DataError: boxes are to be given, and were not.
        """
        return in_groups([p if isinstance(p, Fitted) else self.fit(p) for p in pictures], self._device, self._alike)

    def _alike(self, pictures: list[Fitted]) -> Iterator[Detections]:
        """The regions of pictures of one size."""
        width, height = pictures[0].size
        scale = scale_of(width, height)
        pixels = torch.stack([torch.from_numpy(picture.pixels.copy()) for picture in pictures]).to(self._device)
        inputs = prepare(pixels, scale)
        maps = self._network.backbone(inputs)
        if self.needs_boxes:
            boxes = [snap(given_boxes(picture, self._device) * scale) for picture in pictures]
        else:
            boxes = self._propose(maps, (inputs.shape[3], inputs.shape[2]), scale)
        readout = self._network.read(maps, boxes)
        start = 0
        for box, picture in zip(boxes, pictures):
            rows = slice(start, start + len(box))
            start += len(box)
            yield self._regions(readout, rows, box / scale, picture)

    def _propose(self, maps: Float[Tensor, "B I h w"], size: tuple[int, int], scale: float) -> list[Tensor]:
        generator = self._network.proposal_generator
        anchors = grid_anchors(generator.cell_anchors, maps.shape[2], maps.shape[3])
        objectness, deltas = generator.rpn_head(maps)
        return [propose(anchors, o, d, size, scale, self._rules) for o, d in zip(objectness, deltas)]

    def _regions(self, readout: BoxReadout, rows: slice, boxes: Float[Tensor, "P 4"], picture: Fitted) -> Detections:
        probs = readout.classes[rows].softmax(-1).cpu()
        if self.needs_boxes:
            chosen, scores = torch.arange(len(probs)), probs[:, 1:].amax(-1)
            placed = given_boxes(picture, torch.device("cpu"))
        else:
            # On the CPU: a class at a time is hundreds of small steps.
            chosen, scores = select(boxes.cpu(), probs, self._selection)
            placed = boxes.cpu()[chosen]
        attribute_scores, attributes = readout.attributes[rows].softmax(-1).cpu()[chosen, 1:].max(-1)
        return Detections(
            boxes=placed.numpy(),
            scores=scores.numpy(),
            features=readout.features[rows].cpu()[chosen].numpy(),
            class_probs=probs[chosen].numpy(),
            attributes=attributes.to(torch.int32).numpy(),
            attribute_scores=attribute_scores.numpy(),
        )


def scale_of(width: int, height: int) -> float:
    """By what the published rule multiplies a picture's sides: the shorter becomes 600, the longer no more than 1000."""
    short, long = min(width, height), max(width, height)
    scale = SHORT / short
    return LONG / long if round(scale * long) > LONG else scale


def prepare(pixels: UInt8[Tensor, "B H W 3"], scale: float) -> Float[Tensor, "B 3 h w"]:
    """RGB pictures as the network wants them: resized, blue first, means subtracted.

    Resized as OpenCV does it with a factor: pixel i of the result lies at (i + 1/2) / scale - 1/2 of the picture, between two
    pixels, with no antialias.
    """
    red_last = pixels.flip(-1)
    rows = _between(red_last, scale, 1)
    both = _between(rows, scale, 2)
    return (both - both.new_tensor(MEANS)).permute(0, 3, 1, 2).contiguous()


def _between(pixels: Tensor, scale: float, axis: int) -> Tensor:
    """Linear interpolation along one axis, the ends repeated."""
    many = pixels.shape[axis]
    place = (torch.arange(max(1, round(many * scale)), device=pixels.device) + 0.5) / scale - 0.5
    place = place.clamp(0, many - 1)
    low = place.floor().long()
    share = (place - low).view(-1, *[1] * (3 - axis))
    first = pixels.index_select(axis, low).float()
    second = pixels.index_select(axis, (low + 1).clamp(max=many - 1)).float()
    return torch.lerp(first, second, share)
