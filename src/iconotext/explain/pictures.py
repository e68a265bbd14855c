"""Pictures inside the page: small JPEGs as data, with or without their regions."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from iconotext.core.errors import DataError
from iconotext.data.records import DataSet
from iconotext.data.store import ImageRegions, RegionStore
from iconotext.explain.html import Html, el
from iconotext.regions.draw import draw_regions

QUALITY = 80


@dataclass(frozen=True)
class Region:
    """A region as it is shown: its place, the detector's label and attribute, the confidence."""

    box: tuple[float, float, float, float]
    label: str
    attribute: str
    score: float


@dataclass
class Pictures:
    """The pictures of a data set and their regions, as far as they are there; ``lost`` counts those that are not."""

    data: DataSet | None
    store: RegionStore | None
    lost: list[str] = field(default_factory=list)

    @property
    def licence(self) -> str:
        """That of the pictures, where the data set tells it."""
        return str(self.data.info.get("made_by", {}).get("licence", "")) if self.data is not None else ""

    def show(self, image_id: str, width: int, about: str = "") -> Html:
        """The picture, at most ``width`` pixels wide, or a frame that says that it is missing."""
        picture = self.picture(image_id)
        return _missing(image_id) if picture is None else image(_fit(picture, width), about or f"picture {image_id}")

    def framed(self, image_ids: Sequence[str], boxes: Mapping[str, Sequence[float]], width: int) -> list[Html]:
        """The pictures of a case; where it is about boxes of the first one, that one in its own size with them drawn."""
        whole = self.picture(image_ids[0]) if boxes and image_ids else None
        if whole is None:
            return [self.show(image_id, width) for image_id in image_ids]
        drawn = draw_regions(whole, np.array(list(boxes.values()), np.float32), list(boxes))
        return [image(drawn, f"picture {image_ids[0]} with boxes: {', '.join(boxes)}")]

    def with_regions(self, image_id: str, width: int, least: float) -> tuple[Html, list[Region], int]:
        """The picture with the regions of at least that score drawn, those regions, and how many others there are."""
        picture = self.picture(image_id)
        regions = self.regions(image_id)
        shown = [region for region in regions if region.score >= least] or regions
        if picture is None:
            return _missing(image_id), shown, len(regions) - len(shown)
        scale = width / picture.width
        large = picture.resize((width, max(1, round(picture.height * scale))), Image.Resampling.LANCZOS)
        boxes = np.array([region.box for region in shown], np.float32).reshape(-1, 4) * np.float32(scale)
        labels = [region.label for region in shown] if all(region.label for region in shown) else []
        drawn = draw_regions(large, boxes, labels)
        about = "; ".join(f"{region.attribute} {region.label}".strip() for region in shown if region.label)
        return image(drawn, f"picture {image_id} with regions: {about}"), shown, len(regions) - len(shown)

    def picture(self, image_id: str) -> Image.Image | None:
        """The picture, or None (which is counted) where it cannot be had."""
        if self.data is None:
            return None
        try:
            return self.data.image(image_id)
        except DataError:
            self.lost.append(image_id)
            return None

    def regions(self, image_id: str) -> list[Region]:
        """The regions of a picture, the most certain first; none where the store has none."""
        if self.store is None or image_id not in self.store:
            return []
        found = self.store.get(image_id)
        labels = self._labels(found, self.store.class_names)
        names = self.store.attribute_names
        regions = [
            Region(tuple(map(float, box)), label, names[a] if 0 <= a < len(names) else "", float(score))  # type: ignore[arg-type]
            for box, label, a, score in zip(found.boxes, labels, found.attributes.tolist(), found.scores)
        ]
        return sorted(regions, key=lambda region: -region.score)

    @staticmethod
    def _labels(found: ImageRegions, names: list[str]) -> list[str]:
        """The most probable class of each region that is not the background; empty where the detector has no classes."""
        if not names or not found.class_probs.size:
            return [""] * len(found.boxes)
        first = 1 if names[0] == "background" and len(names) > 1 else 0
        return [names[first + int(row[first:].argmax())] for row in found.class_probs]


def image(picture: Image.Image, about: str, **attributes: object) -> Html:
    """The picture as an element that holds its own bytes."""
    held = io.BytesIO()
    # Full colour resolution: thin coloured frames and drawn lines would fade without it.
    picture.convert("RGB").save(held, "JPEG", quality=QUALITY, optimize=True, subsampling=0)
    data = base64.b64encode(held.getvalue()).decode()
    width, height = picture.size
    source = f"data:image/jpeg;base64,{data}"
    return el("img", src=source, alt=about, width=width, height=height, **attributes)


def _fit(picture: Image.Image, width: int) -> Image.Image:
    """Not wider than ``width``, and not taller than twice that."""
    scale = min(1.0, width / picture.width, 2 * width / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture if scale == 1.0 else picture.resize(size, Image.Resampling.LANCZOS)


def _missing(image_id: str) -> Html:
    return el("span", f"picture {image_id} is not here", class_="nopicture")
