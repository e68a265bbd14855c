"""Regions from a network that only looks: given boxes, cells of a grid, or the cells of its own map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from iconotext.core.fingerprint import Fingerprint
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.grid import cells
from iconotext.regions.pool import GIVEN, given_boxes, in_groups, mean_over, pixels_of, unlabelled
from iconotext.regions.resize import Fitted, Frame, fit, stretch
from iconotext.regions.visual import Visual


def _fingerprint(visual: Visual, detector: str, layer: str, resize: str, boxes: str) -> Fingerprint:
    return Fingerprint(
        detector=f"{detector}:{visual.name}",
        weights=visual.sha256,
        layer=f"{visual.layer}, {layer}",
        resize=resize,
        colour_order="RGB",
        boxes=boxes,
        dtype="float32",
        feature_dim=visual.width,
        classes=0,
        attributes=0,
    )


class PooledDetector:
    """The mean of the network's map over each box: over given boxes, or over the cells (columns, rows) of a ``grid``.

    Every region has score 1, no class and no attribute.
    """

    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()

    def __init__(self, visual: Visual, frame: Frame, device: torch.device, grid: tuple[int, int] | None = None) -> None:
        name, boxes = ("boxes", GIVEN) if grid is None else ("grid", f"grid {grid[0]}x{grid[1]}")
        self.fingerprint = _fingerprint(visual, name, "mean over the box", str(frame), boxes)
        self.needs_boxes = grid is None
        self._visual, self._frame, self._device, self._grid = visual, frame, device, grid

    def fit(self, picture: UInt8[np.ndarray, "_ _ 3"], boxes: Float32[np.ndarray, "_ 4"] | None = None) -> Fitted:
        """The picture inside the frame."""
        return fit(picture, boxes, self._frame)

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The regions of each picture.

        Raises:
            DataError: boxes are to be given, and were not.
        """
        return in_groups([p if isinstance(p, Fitted) else self.fit(p) for p in pictures], self._device, self._alike)

    def _alike(self, pictures: list[Fitted]) -> Iterator[Detections]:
        maps = self._visual.maps(pixels_of(pictures, self._device))
        boxes = [self._boxes(picture) for picture in pictures]
        whole = torch.tensor([self._frame.width, self._frame.height] * 2)
        shares = [(torch.from_numpy(b * picture.scale) / whole).to(self._device) for b, picture in zip(boxes, pictures)]
        features = torch.split(mean_over(maps, shares), [len(b) for b in boxes])
        yield from map(unlabelled, boxes, features)

    def _boxes(self, picture: Fitted) -> Float32[np.ndarray, "R 4"]:
        if self._grid is None:
            return given_boxes(picture, torch.device("cpu")).numpy()
        return cells(*self._grid) * np.array(picture.size * 2, dtype=np.float32)


class MapDetector:
    """The cells of the network's own map, row by row, of pictures that are stretched so that it has columns x rows.

    Every region has score 1, no class and no attribute.
    """

    needs_boxes = False
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()

    def __init__(self, visual: Visual, columns: int, rows: int, device: torch.device) -> None:
        self._width, self._height = columns * visual.stride, rows * visual.stride
        resize = f"stretched to {self._width}x{self._height}, bilinear with antialias"
        self.fingerprint = _fingerprint(visual, "patches", "one cell", resize, f"grid {columns}x{rows}")
        self._visual, self._columns, self._rows, self._device = visual, columns, rows, device

    def fit(self, picture: UInt8[np.ndarray, "_ _ 3"], boxes: Float32[np.ndarray, "_ 4"] | None = None) -> Fitted:
        """The picture stretched."""
        return stretch(picture, self._width, self._height, boxes)

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The cells of each picture."""
        return in_groups([p if isinstance(p, Fitted) else self.fit(p) for p in pictures], self._device, self._alike)

    def _alike(self, pictures: list[Fitted]) -> Iterator[Detections]:
        maps = self._visual.maps(pixels_of(pictures, self._device))
        for picture, features in zip(pictures, maps.flatten(2).transpose(1, 2)):
            sides = np.array(picture.size * 2, dtype=np.float32)
            yield unlabelled(cells(self._columns, self._rows) * sides, features)
