"""A detector of the user's own as an ONNX file: what goes in and comes out is told in docs/how/detectors.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from iconotext.core.artefacts import digest
from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.core.fingerprint import Fingerprint
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.pool import GIVEN, extra, given_boxes, inside, labelled
from iconotext.regions.resize import Fitted, Frame, fit, stretch
from iconotext.regions.select import Selection, choose

PIXELS, BOXES = "pixels", "boxes"


@dataclass(frozen=True)
class Contract:
    """What NAME.json beside NAME.onnx tells: the input's size, how a picture is brought to it, and what the numbers mean.

    ``resize`` is "fit" (aspect kept, grey right and below) or "stretch"; a value goes in as (value - mean) / std, colours in
    the order of ``colours``. ``class_names`` are without the background.
    """

    width: int
    height: int
    layer: str
    resize: str = "fit"
    colours: str = "RGB"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    class_names: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Contract:
        """The contract in a file.

        Raises:
            MissingPiece: there is none.
            DataError: it has other fields, or values out of range.
        """
        if not path.is_file():
            raise MissingPiece(
                f"{path}: no such file; it tells the input's size and what comes out (docs/how/detectors.md)"
            )
        try:
            values = json.loads(path.read_text("utf-8"))
            values |= {name: tuple(map(float, values[name])) for name in ("mean", "std") if name in values}
            found = cls(**{**values, "class_names": tuple(values.get("class_names", ()))})
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not as docs/how/detectors.md tells: {error}") from error
        if found.resize not in ("fit", "stretch") or found.colours not in ("RGB", "BGR"):
            raise DataError(f"{path}: resize is fit or stretch, and colours are RGB or BGR")
        return found

    def __str__(self) -> str:
        how = (
            str(Frame(self.width, self.height)) if self.resize == "fit" else f"stretched to {self.width}x{self.height}"
        )
        return f"{how}; (value - {list(self.mean)}) / {list(self.std)}"


class ExportedDetector:
    """One picture at a time through ONNX Runtime, so that none depends on its neighbours.

    With an input ``boxes`` the model reads given boxes, in their order; without it finds its own, of which ``selection``
    chooses.
    """

    attribute_names: tuple[str, ...] = ()

    def __init__(self, path: Path, selection: Selection, device: torch.device) -> None:
        runtime = extra("onnxruntime", "onnx")
        if not path.is_file():
            raise MissingPiece(f"{path}: no such ONNX file; name it with `--model FILE.onnx`")
        self.contract = Contract.read(path.with_suffix(".json"))
        providers = {"cuda": ["CUDAExecutionProvider"]}.get(device.type, [])
        try:
            self._session = runtime.InferenceSession(path, providers=[*providers, "CPUExecutionProvider"])
        except Exception as error:  # The runtime's own errors have no common class but this one.
            raise DataError(f"{path} is no model that ONNX Runtime takes: {str(error).splitlines()[0]}") from error
        self.needs_boxes = BOXES in self._names(self._session.get_inputs(), path, {PIXELS}, {BOXES})
        finds = set() if self.needs_boxes else {"boxes", "class_probs"}
        self._outputs = self._names(
            self._session.get_outputs(), path, {"features", *finds}, {"class_probs", "scores", "boxes"}
        )
        self._selection = selection
        labels = self.contract.class_names if "class_probs" in self._outputs else ()
        self.class_names = ("background", *labels) if labels else ()
        self.fingerprint = Fingerprint(
            detector="onnx",
            weights=digest([path]),
            layer=self.contract.layer,
            resize=str(self.contract),
            colour_order=self.contract.colours,
            boxes=GIVEN if self.needs_boxes else str(selection),
            dtype="float32",
            feature_dim=self._width(path),
            classes=len(self.class_names),
            attributes=0,
        )

    @staticmethod
    def _names(values: Sequence[Any], path: Path, needed: set[str], known: set[str]) -> tuple[str, ...]:
        names = tuple(value.name for value in values)
        if needed - set(names) or set(names) - needed - known:
            wanted = f"{', '.join(sorted(needed))}, and may have {', '.join(sorted(known - needed))}"
            raise ConfigError(f"{path} has {', '.join(names)} where the contract has {wanted} (docs/how/detectors.md)")
        return names

    def fit(self, picture: UInt8[np.ndarray, "_ _ 3"], boxes: Float32[np.ndarray, "_ 4"] | None = None) -> Fitted:
        """The picture as the contract tells."""
        if self.contract.resize == "stretch":
            return stretch(picture, self.contract.width, self.contract.height, boxes)
        return fit(picture, boxes, Frame(self.contract.width, self.contract.height))

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The regions of each picture, the most confident first, or the given ones in their order.

        Raises:
            DataError: boxes are to be given, and were not; or the model's outputs do not fit together.
        """
        return list(self._each(p if isinstance(p, Fitted) else self.fit(p) for p in pictures))

    def _each(self, pictures: Iterator[Fitted]) -> Iterator[Detections]:
        for picture in pictures:
            given = given_boxes(picture, torch.device("cpu")) if self.needs_boxes else None
            found = self._run(picture, given)
            probs = found.get("class_probs", found["features"].new_zeros(len(found["features"]), 0))
            if len(self.class_names) != probs.shape[1]:
                raise DataError(
                    f"the model gives {probs.shape[1]} probabilities, and {len(self.class_names)} classes are named"
                )
            own = probs[:, 1:].amax(1) if probs.shape[1] else probs.new_ones(len(probs))
            scores = found.get("scores", own)
            if given is not None:
                yield labelled(given, scores, found["features"], probs)
                continue
            boxes = inside(found["boxes"] / torch.from_numpy(picture.scale), *picture.size)
            order, confidence = choose(boxes, scores, self._selection)
            yield labelled(boxes[order], confidence, found["features"][order], probs[order])

    def _run(self, picture: Fitted, given: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """The outputs by name, a row a box."""
        mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in (self.contract.mean, self.contract.std))
        colours = picture.pixels[..., :: -1 if self.contract.colours == "BGR" else 1]
        inputs = {PIXELS: ((colours.transpose(2, 0, 1).astype(np.float32) - mean) / std)[None]}
        if given is not None:
            inputs[BOXES] = given.numpy() * picture.scale
        values = self._session.run(list(self._outputs), inputs)
        found = {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in zip(self._outputs, values)}
        counts = {name: len(value) for name, value in found.items()}
        if len(set(counts.values())) != 1 or (given is not None and len(given) != counts["features"]):
            raise DataError(f"the model's outputs have no row a box each: {counts}")
        return found

    def _width(self, path: Path) -> int:
        """Entries of a feature."""
        width = next(o for o in self._session.get_outputs() if o.name == "features").shape[-1]
        if not isinstance(width, int):
            raise ConfigError(f"{path}: the last axis of the output features has no fixed size: {width}")
        return width
