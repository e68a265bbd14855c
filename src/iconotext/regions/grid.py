"""Regions from a plain grid, for pictures of which the detector knows nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import layer_norm, pad
from torchvision.ops import roi_align

from iconotext.core.errors import ConfigError
from iconotext.regions import resize
from iconotext.regions.backbone import Maps
from iconotext.regions.detections import Detections, Picture
from iconotext.regions.reader import Reader, View
from iconotext.regions.resize import HEIGHT

_LAYER = (
    "mean and deviation of red, green, blue and mean of the backbone's stages 1-3 over the cell, layer-normalised "
    "(mean 0, variance 1 over the entries of a region)"
)


class GridDetector:
    """Cells of equal size, row by row from the upper left, every one with score 1, no class and no attribute.

    A cell is described by its colours and by the means of the backbone's maps at strides 4, 8 and 16 over it: edges,
    textures and parts, which serve any picture better than the box head's answer to a box with no object in it.
    """

    needs_boxes = False
    fit = staticmethod(resize.fit)
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()

    def __init__(self, reader: Reader, columns: int = 6, rows: int = 4) -> None:
        width = 6 + sum(reader.weights.network.shape.widths[1:])
        self.fingerprint = reader.fingerprint("grid", _LAYER, f"grid {columns}x{rows}", width, labels=False)
        self._reader, self._columns, self._rows = reader, columns, rows

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """The cells of each picture."""
        return [regions for view in self._reader.views(pictures) for regions in self._regions(view)]

    def _regions(self, view: View) -> Iterator[Detections]:
        share = cells(self._columns, self._rows)
        boxes = torch.from_numpy(share) * view.extents.cpu().repeat(1, 2)[:, None]
        features = describe(view.maps, view.pixels, boxes.to(view.pixels.device))
        for mine, picture in zip(features.cpu().numpy(), view.pictures):
            count = len(mine)
            yield Detections(
                boxes=share * np.array(picture.size * 2, dtype=np.float32),
                scores=np.ones(count, dtype=np.float32),
                features=mine,
                class_probs=np.zeros((count, 0), dtype=np.float32),
                attributes=np.full(count, -1, dtype=np.int32),
                attribute_scores=np.zeros(count, dtype=np.float32),
            )


def cells(columns: int, rows: int) -> Float[np.ndarray, "R 4"]:
    """The boxes of a grid's cells, row by row, as shares of width and height."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    corners = [column / columns, row / rows, (column + 1) / columns, (row + 1) / rows]
    return np.stack(corners, axis=1).astype(np.float32)


def parse_grid(text: str) -> tuple[int, int]:
    """Columns and rows of the grid that a fingerprint's ``boxes`` names.

    Raises:
        ConfigError: the text names none.
    """
    found = re.fullmatch(r"grid (\d+)x(\d+)", text)
    if found is None:
        raise ConfigError(f"this is no grid of columns x rows: {text!r}")
    return int(found[1]), int(found[2])


def describe(maps: Maps, pixels: UInt8[Tensor, "B H W 3"], cells: Float[Tensor, "B R 4"]) -> Float[Tensor, "B R F"]:
    """The feature of each cell (pixels of the input)."""
    picture = torch.arange(len(cells), device=cells.device).repeat_interleave(cells.shape[1])
    rois = pad(cells.flatten(0, 1), (1, 0)) + pad(picture[:, None], (0, 4))
    colour = (pixels.permute(0, 3, 1, 2).float() - 127.5) / 64
    moments = _means(torch.cat([colour, colour.square()], dim=1), rois)
    deviation = (moments[:, 3:] - moments[:, :3].square()).clamp(min=0).sqrt()
    parts = [moments[:, :3], deviation, *(_means(stage, rois) for stage in maps.stages)]
    features = torch.cat(parts, dim=1)
    return layer_norm(features, features.shape[-1:]).view(*cells.shape[:2], -1)


def _means(maps: Float[Tensor, "B C h w"], rois: Float[Tensor, "N 5"]) -> Float[Tensor, "N C"]:
    """The mean of a map over each box, from as many samples as the box has cells of the map."""
    means: Tensor = roi_align(maps.contiguous(), rois, 1, maps.shape[2] / HEIGHT, sampling_ratio=-1, aligned=True)
    return means.flatten(1)
