"""Karpathy's splits of COCO and Flickr30k: one JSON file with every picture, its split and its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iconotext.data.sources.published.corpus import Corpus, files
from iconotext.data.sources.published.entries import Entry, once, read_object

SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
"""What the published protocol takes each split for; "restval" is the rest of COCO's validation set, trained on as well."""


@dataclass(frozen=True)
class KarpathyImage:
    """A picture as the file has it, with its raw sentences and their ids; ``folder`` and ``coco_id`` where there are any."""

    number: int
    file_name: str
    split: str
    captions: tuple[str, ...]
    caption_ids: tuple[int, ...]
    folder: str = ""
    coco_id: int | None = None


def read_karpathy(file: Path) -> list[KarpathyImage]:
    """The pictures in the file's order.

    Raises:
        DataError: the file is not in this form, a split is unknown, or sentences are not those that are listed.
    """
    entries = list(read_object(file).entries("images"))
    once(entries, [entry.integer("imgid") for entry in entries])
    return [_image(entry) for entry in entries]


def _image(entry: Entry) -> KarpathyImage:
    split = entry.text("split")
    if split not in SPLITS:
        raise entry.wrong(f"the split {split!r} is none of {', '.join(SPLITS)}")
    sentences = list(entry.entries("sentences"))
    ids = tuple(sentence.integer("sentid") for sentence in sentences)
    listed = entry.list("sentids") if "sentids" in entry else list(ids)
    if listed != list(ids):
        raise entry.wrong(f"'sentids' is {listed}, but the sentences have {list(ids)}")
    return KarpathyImage(
        entry.integer("imgid"),
        entry.text("filename"),
        split,
        tuple(sentence.text("raw") for sentence in sentences),
        ids,
        entry.text("filepath") if "filepath" in entry else "",
        entry.integer("cocoid") if "cocoid" in entry else None,
    )


def bring(source: Path) -> Corpus:
    """Captions with the splits that papers report on; the id is COCO's where there is one, else the file's name."""
    corpus = Corpus()
    for file in files(source, r"dataset_.*\.json", "dataset_coco.json or dataset_flickr30k.json"):
        for image in read_karpathy(file):
            image_id = Path(image.file_name).stem if image.coco_id is None else str(image.coco_id)
            names = ((f"{image.folder}/{image.file_name}",) if image.folder else ()) + (image.file_name,)
            corpus.captions(image_id, SPLITS[image.split], names, image.captions)
    return corpus
