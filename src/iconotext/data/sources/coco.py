"""COCO captions: one JSON file with ``images`` (id, file_name) and ``annotations`` (image_id, caption)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError
from iconotext.data.sources.item import Caption, Item, broken


def read_coco(source: Path, table: Path) -> list[Item]:
    """The pictures in the file's order, with their captions in the file's order; COCO's image id is the id.

    Pictures are looked for at ``source / file_name``; others in the folder are not looked at. An annotation of an image that
    the file does not list is a problem.

    Raises:
        DataError: the file cannot be read or is of another form.
    """
    try:
        content = json.loads(table.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{table} cannot be read as JSON: {error}") from error
    images, annotations = _list(table, content, "images"), _list(table, content, "annotations")
    captions: dict[str, list[Caption]] = {}
    problems = []
    files: dict[str, str] = {}
    for number, image in enumerate(images):
        if not isinstance(image, dict) or "id" not in image or not isinstance(image.get("file_name"), str):
            problems.append(broken(f"{table.name} image {number}", "no id or no file_name"))
            continue
        image_id = str(image["id"])
        if image_id in captions:
            problems.append(broken(f"{table.name} image {number}", f"the id {image_id} is listed before"))
            continue
        captions[image_id], files[image_id] = [], image["file_name"]
    for number, annotation in enumerate(annotations):
        place = f"{table.name} annotation {number}"
        if not isinstance(annotation, dict) or not isinstance(annotation.get("caption"), str):
            problems.append(broken(place, "no caption"))
        elif str(annotation.get("image_id")) not in captions:
            problems.append(broken(place, f"image {annotation.get('image_id')} is not listed"))
        else:
            captions[str(annotation["image_id"])].append(Caption(annotation["caption"]))
    items = [
        Item(files[i], source / files[i], i, tuple(c for c in texts if c.text.strip())) for i, texts in captions.items()
    ]
    return [*items, *problems]


def _list(table: Path, content: Any, name: str) -> list[Any]:
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, list):
        raise DataError(f"{table} is not in the form of COCO captions: it has no list {name!r}")
    return value
