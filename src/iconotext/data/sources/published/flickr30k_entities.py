"""Flickr30k Entities: which words of a Flickr30k sentence mean which boxes of its picture (Plummer et al., IJCV 2017)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import read_lines, read_text

NOT_VISUAL = "0"
"""The chain of phrases that nobody looked for in the picture."""

Corners = tuple[int, int, int, int]

_MARK = re.compile(r"\[/EN#(\d+)((?:/[^/\[\]]+)*)")


@dataclass(frozen=True)
class EntityPhrase:
    """Some words of a sentence: the chain of phrases of the picture that mean the same, and what kinds of thing that is.

    ``first_word`` counts words, ``begin`` and ``end`` letters of the sentence.
    """

    chain: str
    types: tuple[str, ...]
    text: str
    first_word: int
    begin: int
    end: int


@dataclass(frozen=True)
class EntitySentence:
    """A sentence without its marks, words parted by one space, and its phrases."""

    text: str
    phrases: tuple[EntityPhrase, ...]
    place: str = ""


@dataclass(frozen=True)
class EntityBoxes:
    """What the chains of a picture are: boxes [x1, y1, x2, y2] counted from 0, the whole scene, or nothing that has a box."""

    width: int
    height: int
    boxes: Mapping[str, tuple[Corners, ...]]
    scene: tuple[str, ...]
    no_box: tuple[str, ...]

    @property
    def chains(self) -> set[str]:
        """All chains that are named."""
        return {*self.boxes, *self.scene, *self.no_box}


def read_sentences(file: Path) -> list[EntitySentence]:
    """The sentences of a file ``Sentences/ID.txt``, one a line, with phrases as ``[/EN#chain/type phrase]``.

    Raises:
        DataError: a phrase is not closed, empty, within another, or its mark has another form.
    """
    return [_sentence(place, line) for _, place, line in read_lines(file)]


def _sentence(place: str, line: str) -> EntitySentence:
    words: list[str] = []
    phrases: list[EntityPhrase] = []
    mark: re.Match[str] | None = None
    first = 0
    for token in line.split():
        if token.startswith("[/EN#") or (mark is None and token.startswith("[")):
            if mark is not None:
                raise DataError(f"{place}: {token!r} begins a phrase within {mark[0]!r}")
            mark, first = _MARK.fullmatch(token), len(words)
            if mark is None:
                raise DataError(f"{place}: {token!r} should begin a phrase and is not like [/EN#chain/type")
            continue
        closed = mark is not None and token.endswith("]")
        words += [token[:-1]] if closed and token != "]" else [] if closed else [token]
        if mark is not None and closed:
            if first == len(words):
                raise DataError(f"{place}: the phrase {mark[0]!r} has no words")
            begin = sum(len(word) + 1 for word in words[:first])
            text, types = " ".join(words[first:]), tuple(mark[2].split("/")[1:])
            phrases.append(EntityPhrase(mark[1], types, text, first, begin, begin + len(text)))
            mark = None
    if mark is not None:
        raise DataError(f"{place}: the phrase {mark[0]!r} is not closed, perhaps the line was cut")
    return EntitySentence(" ".join(words), tuple(phrases), place)


def read_boxes(file: Path) -> EntityBoxes:
    """The chains of a file ``Annotations/ID.xml``; its boxes count pixels from 1, ours from 0, as the authors' reader has it.

    Raises:
        DataError: the file is cut, defines entities of its own, or an object has neither a box nor a flag, or no chain.
    """
    text = read_text(file)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{file} defines entities, which no annotation does")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise DataError(f"{file} is no XML, perhaps it was cut: {error}") from error
    boxes: dict[str, tuple[Corners, ...]] = {}
    flagged: dict[str, list[str]] = {"scene": [], "nobndbox": []}
    for number, thing in enumerate(root.findall("object")):
        place = f"{file} object {number}"
        chains = [(name.text or "").strip() for name in thing.findall("name")]
        if not chains or not all(chain.isdecimal() for chain in chains):
            raise DataError(f"{place}: a <name> should be the number of a chain, found {chains}")
        found, flags = thing.find("bndbox"), [flag for flag in flagged if thing.find(flag) is not None]
        if found is not None and len(found):
            box = _box(place, found)
            boxes |= {chain: (*boxes.get(chain, ()), box) for chain in chains}
        elif not flags:
            raise DataError(f"{place} has neither <bndbox> nor <scene> or <nobndbox>")
        else:
            for flag in flags:
                flagged[flag] += chains if _number(place, thing, flag) else []
    width, height = (_number(str(file), root, f"size/{side}") for side in ("width", "height"))
    return EntityBoxes(width, height, boxes, tuple(flagged["scene"]), tuple(flagged["nobndbox"]))


def _box(place: str, found: ET.Element) -> Corners:
    left, top, right, bottom = (_number(place, found, side) - 1 for side in ("xmin", "ymin", "xmax", "ymax"))
    if left > right or top > bottom:
        raise DataError(f"{place}: the box {(left + 1, top + 1, right + 1, bottom + 1)} is turned inside out")
    return left, top, right, bottom


def _number(place: str, within: ET.Element, name: str) -> int:
    text = (within.findtext(name) or "").strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise DataError(f"{place}: <{name}> should be a whole number, found {text!r}")
    return int(text)


def bring(source: Path) -> Corpus:
    """The sentences of the pictures that train.txt, val.txt and test.txt list, with the boxes of each phrase."""
    corpus, places = Corpus(), dict[str, str]()
    lists = files(source, r"(train|val|test)\.txt", "train.txt, val.txt or test.txt of Flickr30k Entities")
    top = source if source.is_dir() else source.parent
    sentences, annotations = _folder(top, "Sentences"), _folder(top, "Annotations")
    for file in lists:
        for _, place, line in read_lines(file):
            image = line.strip()
            if not image.isdecimal():
                raise DataError(f"{place}: expected the number of a picture, found {image[:80]!r}")
            if image in places:
                raise DataError(f"{place}: picture {image} is there before, at {places[image]}")
            places[image] = place
            for path in (sentences / f"{image}.txt", annotations / f"{image}.xml"):
                if not path.is_file():
                    raise DataError(f"{place}: picture {image} has no {path}")
            said, meant = read_sentences(sentences / f"{image}.txt"), read_boxes(annotations / f"{image}.xml")
            corpus.captions(image, split_of(file), (f"{image}.jpg",), tuple(sentence.text for sentence in said))
            for number, sentence in enumerate(said):
                _take(corpus, image, split_of(file), f"{image}#{number}", sentence, meant)
    return corpus


def _take(corpus: Corpus, image: str, split: str, name: str, sentence: EntitySentence, meant: EntityBoxes) -> None:
    """Take up the phrases of a sentence; those of the whole scene, of nothing visible or without a box have none."""
    unknown = [p for p in sentence.phrases if p.chain != NOT_VISUAL and p.chain not in meant.chains]
    if unknown:
        raise DataError(
            f"{sentence.place}: {unknown[0].text!r} is of chain {unknown[0].chain}, which the annotation of picture {image} "
            "does not name"
        )
    if sentence.phrases:
        corpus.row(
            "phrases",
            split,
            (image,),
            sentence.place,
            sentence_id=name,
            image_id=image,
            text=sentence.text,
            spans=[[phrase.begin, phrase.end] for phrase in sentence.phrases],
            entities=[phrase.chain for phrase in sentence.phrases],
            types=[list(phrase.types) for phrase in sentence.phrases],
            boxes=[[list(box) for box in meant.boxes.get(phrase.chain, ())] for phrase in sentence.phrases],
        )


def _folder(top: Path, name: str) -> Path:
    """A folder of this name, at any depth."""
    found = sorted(path for path in top.rglob(name) if path.is_dir() and "__MACOSX" not in path.parts)
    if not found:
        raise DataError(
            f"{top} holds no folder {name!r}: name the folder of the annotations, with annotations.zip unpacked"
        )
    return found[0]
