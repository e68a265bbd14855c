"""RefCOCO, RefCOCO+ and RefCOCOg: expressions that name one thing of a COCO picture; the REFER files, and MDETR's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from iconotext.core.errors import DataError
from iconotext.data.sources.published.coco import Box, Instance, Instances, corners, objects, read_coco_instances
from iconotext.data.sources.published.corpus import Corpus, files
from iconotext.data.sources.published.entries import Entry, once, read_object
from iconotext.data.sources.published.pickled import read_pickle

SPLITS = {
    "train": ("train",),
    "val": ("validation",),
    "test": ("test",),
    "testA": ("testA",),
    "testB": ("testB",),
    "testAB": ("testA", "testB"),
}
"""Where a data set has the references of a split of the file."""


@dataclass(frozen=True)
class Sentence:
    """An expression: as it was written, as the authors cleaned it, and that in words."""

    id: int
    raw: str
    cleaned: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """A thing of a picture with the expressions that name it; the split is the file's own."""

    id: int
    image_id: int
    file_name: str
    split: str
    category_id: int
    thing: Instance
    sentences: tuple[Sentence, ...]
    place: str = ""


@dataclass(frozen=True)
class ShortReference:
    """An expression in MDETR's form; ``positive`` are the spans of letters that name the thing."""

    caption: str
    box: Box
    image_id: int
    thing_id: int
    positive: tuple[tuple[int, int], ...]
    dataset: str


def read_refcoco(refs: Path, instances: Instances) -> list[Reference]:
    """The references of a pickle ``refs(unc).p`` in its order, with their things in ``instances``.

    Raises:
        UnsafeData: the pickle asks for code to be run; nothing of it was.
        DataError: the pickle is cut or in another form, or names a thing or a picture that is not there.
    """
    content: Any = read_pickle(refs)
    if not isinstance(content, list):
        raise DataError(f"{refs}: expected a list of references, found {type(content).__name__}")
    entries = [Entry.of(f"{refs} record {number}", value) for number, value in enumerate(content)]
    once(entries, [entry.integer("ref_id") for entry in entries])
    things = {thing.id: thing for found in instances.things.values() for thing in found}
    return [_reference(entry, things) for entry in entries]


def _reference(entry: Entry, things: dict[int, Instance]) -> Reference:
    thing = things.get(entry.integer("ann_id"))
    if thing is None:
        raise entry.wrong(f"'ann_id' is {entry.integer('ann_id')}, which the instances do not list")
    for name, value in (("image_id", thing.image_id), ("category_id", thing.category_id)):
        if entry.integer(name) != value:
            raise entry.wrong(f"{name!r} is {entry.integer(name)}, but thing {thing.id} has {value}")
    sentences = tuple(
        Sentence(found.integer("sent_id"), found.text("raw"), found.text("sent"), found.texts("tokens"))
        for found in entry.entries("sentences")
    )
    if entry.list("sent_ids") != [sentence.id for sentence in sentences]:
        raise entry.wrong(f"'sent_ids' is {entry.list('sent_ids')}, but the sentences are others")
    return Reference(
        entry.integer("ref_id"),
        thing.image_id,
        entry.text("file_name"),
        entry.text("split"),
        thing.category_id,
        thing,
        sentences,
        entry.place,
    )


def of_split(references: list[Reference], split: str) -> list[Reference]:
    """The references that the REFER tools give for a split.

    ``testA`` and ``testB`` take every split that contains their letter (testAB as well), ``test`` all that contain "test";
    other names are taken as they are.
    """
    if split in ("testA", "testB", "testC"):
        return [found for found in references if split[-1] in found.split]
    if split == "test":
        return [found for found in references if "test" in found.split]
    return [found for found in references if found.split == split]


def read_refcoco_short(file: Path) -> list[ShortReference]:
    """The expressions of a file in MDETR's form, which has one picture and one thing for each.

    Raises:
        DataError: the file is in another form, or an expression has not exactly one thing.
    """
    content = read_object(file)
    images, things = list(content.entries("images")), list(content.entries("annotations"))
    once(images, [entry.integer("id") for entry in images])
    of_image: dict[int, list[Entry]] = {entry.integer("id"): [] for entry in images}
    for thing in things:
        if thing.integer("image_id") not in of_image:
            raise thing.wrong(f"'image_id' is {thing.integer('image_id')}, which the file does not list")
        of_image[thing.integer("image_id")].append(thing)
    return [_short(image, of_image[image.integer("id")]) for image in images]


def _short(image: Entry, things: list[Entry]) -> ShortReference:
    if len(things) != 1:
        raise image.wrong(f"the expression has {len(things)} things, and should have one")
    (thing,) = things
    caption = image.text("caption")
    spans = [Entry(thing.place, {"span": span}).numbers("span") for span in thing.list("tokens_positive")]
    if any(len(span) != 2 or not 0 <= span[0] <= span[1] <= len(caption) for span in spans):
        raise thing.wrong(f"'tokens_positive' are not spans of {caption!r}: {spans}")
    return ShortReference(
        caption,
        thing.box("bbox"),
        image.integer("original_id"),
        thing.integer("original_id"),
        tuple((int(begin), int(end)) for begin, end in spans),
        image.text("dataset_name"),
    )


def bring(source: Path) -> Corpus:
    """The expressions of one pickle of references with the instances beside it; all things of a picture are its objects."""
    found = files(source, r"refs\(\w+\)\.p", "refs(unc).p, refs(umd).p or refs(google).p")
    if len(found) > 1:
        raise DataError(
            f"{source} has {len(found)} files of references; name one of them: {', '.join(map(str, found))}"
        )
    instances = read_coco_instances(found[0].with_name("instances.json"))
    corpus = Corpus(classes=tuple(instances.categories.values()))
    references = read_refcoco(found[0], instances)
    for reference in references:
        if reference.split not in SPLITS:
            raise DataError(f"{reference.place}: the split {reference.split!r} is none of {', '.join(SPLITS)}")
        image = str(reference.image_id)
        for split, sentence in product(SPLITS[reference.split], reference.sentences):
            corpus.picture(image, split, instances.images[reference.image_id].file_name)
            corpus.row(
                "expressions",
                split,
                (image,),
                reference.place,
                expression_id=str(sentence.id),
                image_id=image,
                text=sentence.raw,
                object=instances.things[reference.image_id].index(reference.thing),
                box=list(corners(reference.thing.box)),
            )
    for image, picture in corpus.pictures.items():
        objects(corpus, image, picture.split, str(found[0]), instances, list(instances.things[int(image)]))
    return corpus
