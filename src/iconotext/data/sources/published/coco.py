"""COCO: captions and instances, as pycocotools reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import Entry, once, read_object

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CocoImage:
    """A picture as the file has it."""

    id: int
    file_name: str
    width: int
    height: int


@dataclass(frozen=True)
class CocoCaptions:
    """A picture with (id, text) of its captions, raw and in the file's order."""

    image: CocoImage
    captions: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Instance:
    """A thing of a picture: box [x, y, width, height], the category's id, whether it is a crowd."""

    id: int
    image_id: int
    box: Box
    category_id: int
    crowd: bool


@dataclass(frozen=True)
class Instances:
    """Pictures by id, categories (id to name) in the file's order, and things of each picture in the file's order."""

    images: dict[int, CocoImage]
    categories: dict[int, str]
    things: dict[int, tuple[Instance, ...]]

    @property
    def contiguous(self) -> dict[int, int]:
        """Category ids to numbers without gaps, from 1 on; 0 is the background."""
        return {category: number for number, category in enumerate(self.categories, 1)}


def corners(box: Box, inset: int = 0) -> Box:
    """[x1, y1, x2, y2] of a box [x, y, width, height]; VL-BERT takes an ``inset`` of 1 off the sides, to 0 at least."""
    x, y, width, height = box
    return x, y, x + max(width - inset, 0.0), y + max(height - inset, 0.0)


def read_coco_captions(file: Path) -> list[CocoCaptions]:
    """The pictures in the file's order, also those without a caption.

    Raises:
        DataError: the file is not in COCO's form, an id is there twice, or a caption's picture is not listed.
    """
    content = read_object(file)
    images = _images(content)
    captions: dict[int, list[tuple[int, str]]] = {image: [] for image in images}
    entries = list(content.entries("annotations"))
    once(entries, [entry.integer("id") for entry in entries])
    for entry in entries:
        captions[_known(entry, "image_id", images)].append((entry.integer("id"), entry.text("caption")))
    return [CocoCaptions(images[image], tuple(texts)) for image, texts in captions.items()]


def read_coco_instances(file: Path) -> Instances:
    """The things of all pictures.

    Raises:
        DataError: the file is not in COCO's form, an id is there twice, or a picture or a category is not listed.
    """
    content = read_object(file)
    images = _images(content)
    entries = list(content.entries("categories"))
    once(entries, [entry.integer("id") for entry in entries])
    categories = {entry.integer("id"): entry.text("name") for entry in entries}
    entries = list(content.entries("annotations"))
    once(entries, [entry.integer("id") for entry in entries])
    things: dict[int, list[Instance]] = {image: [] for image in images}
    for entry in entries:
        image = _known(entry, "image_id", images)
        category = _known(entry, "category_id", categories)
        crowd = "iscrowd" in entry and entry.index("iscrowd", 2) == 1
        things[image].append(Instance(entry.integer("id"), image, entry.box("bbox"), category, crowd))
    return Instances(images, categories, {image: tuple(found) for image, found in things.items()})


def _images(content: Entry) -> dict[int, CocoImage]:
    entries = list(content.entries("images"))
    once(entries, [entry.integer("id") for entry in entries])
    found = (
        CocoImage(entry.integer("id"), entry.text("file_name"), entry.integer("width"), entry.integer("height"))
        for entry in entries
    )
    return {image.id: image for image in found}


def _known(entry: Entry, name: str, known: Mapping[int, object]) -> int:
    value = entry.integer(name)
    if value not in known:
        raise entry.wrong(f"{name!r} is {value}, which the file does not list")
    return value


def bring_captions(source: Path) -> Corpus:
    """Captions of all files ``captions_*.json``."""
    corpus = Corpus()
    for file in files(source, r"captions_.*\.json", "captions_*.json"):
        for found in read_coco_captions(file):
            texts = tuple(text for _, text in found.captions)
            corpus.captions(str(found.image.id), split_of(file), (found.image.file_name,), texts)
    return corpus


def bring_instances(source: Path) -> Corpus:
    """Things of all files ``instances_*.json``, crowds left out, as objects; their classes are the categories."""
    corpus = Corpus()
    for file in files(source, r"instances_.*\.json", "instances_*.json"):
        found = read_coco_instances(file)
        corpus.classes = tuple(found.categories.values())
        for image in found.images.values():
            corpus.picture(str(image.id), split_of(file), image.file_name)
            things = [thing for thing in found.things[image.id] if not thing.crowd]
            objects(corpus, str(image.id), split_of(file), str(file), found, things)
    return corpus


def objects(corpus: Corpus, image_id: str, split: str, place: str, found: Instances, things: list[Instance]) -> None:
    """Take up the things of a picture as a row of objects, classes counted from 0."""
    corpus.row(
        "objects",
        split,
        (image_id,),
        place,
        image_id=image_id,
        boxes=[list(corners(thing.box)) for thing in things],
        classes=[found.contiguous[thing.category_id] - 1 for thing in things],
        colours=[-1] * len(things),
        sizes=[""] * len(things),
    )
