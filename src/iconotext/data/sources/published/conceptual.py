"""Conceptual Captions: tables of caption and address without a header, and ViLBERT's captions by picture."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import read_lines, read_object


@dataclass(frozen=True)
class ConceptualCaption:
    """A line of the table, caption and address as they are; ``row`` counts lines from 0."""

    row: int
    caption: str
    url: str

    @property
    def crc32(self) -> str:
        """The id that ViLBERT and VOLTA give the picture: a checksum of its address."""
        return str(zlib.crc32(self.url.encode()))

    @property
    def counter(self) -> str:
        """The id that VL-BERT gives the picture: the line, with eight digits."""
        return f"{self.row:08d}"

    @property
    def tokens(self) -> list[str]:
        """The caption divided at each space, as VL-BERT stores it."""
        return self.caption.split(" ")


def read_conceptual(file: Path) -> list[ConceptualCaption]:
    """The lines of a table as they are: quotes mean nothing, and "NA" is a word.

    Raises:
        DataError: a line has not exactly a caption, a tab and an address.
    """
    found = []
    for number, place, line in read_lines(file):
        cells = line.split("\t")
        if len(cells) != 2 or not cells[1].strip():
            raise DataError(f"{place}: expected a caption, a tab and an address, found {line[:80]!r}")
        found.append(ConceptualCaption(number - 1, *cells))
    return found


def read_conceptual_captions(file: Path) -> dict[str, str]:
    """ViLBERT's ``caption_*.json``: captions by the checksum of the picture's address."""
    content = read_object(file)
    return {image: content.text(image) for image in content.fields}


def bring(source: Path) -> Corpus:
    """Captions of all tables, or of ``caption_*.json`` alone; pictures are called by checksum or by line, with any suffix."""
    corpus = Corpus()
    found = files(source, r".*\.tsv|caption_.*\.json", "*.tsv or caption_*.json")
    for file in [file for file in found if file.suffix == ".tsv"] or found:
        if file.suffix == ".json":
            for image, caption in read_conceptual_captions(file).items():
                corpus.captions(image, split_of(file), (image,), (caption,))
        else:
            for line in read_conceptual(file):
                corpus.captions(line.crc32, split_of(file), (line.crc32, line.counter), (line.caption,))
    return corpus
