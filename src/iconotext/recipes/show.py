"""``iconotext show``: pictures with their regions drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from tyro.conf import Positional

from iconotext.core.errors import DataError
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.explain.pictures import Pictures, Region
from iconotext.regions.draw import draw_regions


@dataclass(frozen=True)
class ShowOptions:
    """Write pictures with their regions drawn: frame, attribute, label and score of each."""

    data: Positional[Path]
    """The data set."""
    store: Positional[Path]
    """Its regions."""
    ids: tuple[str, ...] = ()
    """Pictures to draw; none takes the first ones of the store."""
    count: int = 8
    """How many, where no ids are given."""
    least: float = 0.0
    """Only regions of at least this score."""
    out: Path = Path("shown")
    """Folder for the pictures."""


def run(options: ShowOptions) -> list[Path]:
    """Writes a PNG a picture and returns their paths.

    Raises:
        DataError: the data set lacks a picture, or the store has no regions of it.
    """
    data, store = DataSet.open(options.data), RegionStore.open(options.store)
    ids = options.ids or tuple(store.ids[: options.count])
    store.rows(ids)
    pictures = Pictures(data, store)
    options.out.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True)
    files = []
    for image_id in ids:
        regions = [region for region in pictures.regions(image_id) if region.score >= options.least]
        file = options.out / f"{file_name(image_id)}.png"
        boxes = np.array([region.box for region in regions], np.float32).reshape(-1, 4)
        image = data.image(image_id)
        size = store.get(image_id).size
        if all(size) and size != image.size:
            raise DataError(
                f"picture {image_id!r} is {image.size} in {data.path}, but was {size} where its regions were found: "
                "these are the regions of another data set"
            )
        scores = [region.score for region in regions]
        draw_regions(image, boxes, [label(region) for region in regions], scores).save(file)
        console.print(f"{escape(str(file))}  {len(regions)} regions")
        files.append(file)
    return files


def label(region: Region) -> str:
    """The region in words."""
    return f"{region.attribute} {region.label}".strip()


def file_name(image_id: str) -> str:
    """The id as a file's name; where letters had to go, a part of its hash keeps names apart."""
    plain = re.sub(r"[^\w.-]", "_", image_id).lstrip(".")[:100]
    return plain if plain == image_id else f"{plain}-{sha256(image_id.encode()).hexdigest()[:8]}"
