"""SNLI-VE: does a Flickr30k picture entail a sentence, contradict it, or neither?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iconotext.data.sources.published.corpus import Corpus, files, split_of
from iconotext.data.sources.published.entries import Entry, once, read_json_lines

LABELS = ("contradiction", "neutral", "entailment")
"""In the order in which ViLBERT and VOLTA number them."""

UNDECIDED = "-"
"""The label where annotators did not agree."""

_IMAGE_KEYS = ("Flickr30K_ID", "Flickr30k_ID", "Flikr30kID", "Flickr30kID")


@dataclass(frozen=True)
class Hypothesis:
    """A sentence on a picture; the picture's id is its file's name without suffix, in either of the published spellings."""

    pair_id: str
    image_id: str
    hypothesis: str
    label: str
    place: str = ""


def read_snli_ve(file: Path) -> list[Hypothesis]:
    """The sentences of a file with one JSON object a line, in its order.

    Raises:
        DataError: a line is cut or in another form, names no picture, has an unknown label, or is there twice.
    """
    entries = read_json_lines(file)
    once(entries, [entry.text("pairID") for entry in entries])
    return [_hypothesis(entry) for entry in entries]


def _hypothesis(entry: Entry) -> Hypothesis:
    key = next((key for key in _IMAGE_KEYS if key in entry), None)
    if key is None:
        raise entry.wrong(f"names no picture: none of {', '.join(_IMAGE_KEYS)} is there")
    label = entry.text("gold_label")
    if label not in (*LABELS, UNDECIDED):
        raise entry.wrong(f"the label {label!r} is none of {', '.join((*LABELS, UNDECIDED))}")
    image = entry.key(key).removesuffix(".jpg")
    return Hypothesis(entry.text("pairID"), image, entry.text("sentence2"), label, entry.place)


def bring(source: Path) -> Corpus:
    """The sentences of all files ``snli_ve_*.jsonl``, or where there are none of ViLBERT's ``train``, ``dev`` and ``test``."""
    corpus = Corpus()
    listed = files(source, r"(snli_ve_)?(train|dev|test)\.jsonl", "snli_ve_*.jsonl")
    for file in [file for file in listed if file.name.startswith("snli_ve_")] or listed:
        split = split_of(file)
        for found in read_snli_ve(file):
            corpus.picture(found.image_id, split, f"{found.image_id}.jpg")
            corpus.row(
                "entailment",
                split,
                (found.image_id,),
                found.place,
                entailment_id=found.pair_id,
                image_id=found.image_id,
                text=found.hypothesis,
                label=found.label,
            )
    return corpus
