"""Flickr30k: the token file of its authors, and the lines with five sentences each that VOLTA makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.sources.published import karpathy
from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import once, read_json_lines, read_lines


@dataclass(frozen=True)
class FlickrCaption:
    """A line ``file#number<TAB>caption``, the caption as it is, quotes included."""

    file_name: str
    number: int
    caption: str


@dataclass(frozen=True)
class FlickrImage:
    """A picture with its sentences."""

    image_id: str
    file_name: str
    captions: tuple[str, ...]


def read_flickr_tokens(file: Path) -> list[FlickrCaption]:
    """The captions of a ``.token`` file, in its order.

    Raises:
        DataError: a line has another form, or is there twice.
    """
    places, captions = [], []
    for _, place, line in read_lines(file):
        name, tab, caption = line.partition("\t")
        image, mark, number = name.rpartition("#")
        if not tab or not mark or not image or not number.isdecimal():
            raise DataError(f"{place}: expected FILE#NUMBER, a tab and the caption, found {line[:80]!r}")
        places.append(place)
        captions.append(FlickrCaption(image, int(number), caption))
    seen: dict[tuple[str, int], str] = {}
    for place, found in zip(places, captions):
        before = seen.setdefault((found.file_name, found.number), place)
        if before != place:
            raise DataError(f"{place}: {found.file_name}#{found.number} is there before, at {before}")
    return captions


def read_flickr_lines(file: Path) -> list[FlickrImage]:
    """The pictures of a file with ``{"sentences", "id", "img_path"}`` a line, in its order.

    Raises:
        DataError: a line has another form, or a picture is there twice.
    """
    entries = read_json_lines(file)
    once(entries, [entry.key("id") for entry in entries])
    return [FlickrImage(entry.key("id"), entry.text("img_path"), entry.texts("sentences")) for entry in entries]


def bring(source: Path) -> Corpus:
    """Captions with Karpathy's splits (dataset_flickr30k.json), else those of ``*_ann.jsonl``; the token file has no splits.

    The id is the file's name without its suffix.
    """
    found = files(source, r"dataset_flickr30k\.json|.*_ann\.jsonl|.*\.token", "Flickr30k annotations")
    kinds = {file.suffix: file for file in found}
    if ".json" in kinds:
        return karpathy.bring(kinds[".json"])
    corpus = Corpus()
    for file in found:
        if file.suffix == ".jsonl":
            for image in read_flickr_lines(file):
                corpus.captions(image.image_id, split_of(file), (image.file_name,), image.captions)
        elif ".jsonl" not in kinds:
            texts: dict[str, list[str]] = {}
            for line in read_flickr_tokens(file):
                texts.setdefault(line.file_name, []).append(line.caption)
            for name, captions in texts.items():
                corpus.captions(Path(name).stem, "", (name,), tuple(captions))
    return corpus
