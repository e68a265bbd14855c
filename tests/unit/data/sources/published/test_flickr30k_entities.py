"""Flickr30k Entities from its files to the task, and what is refused on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iconotext.core.errors import DataError
from iconotext.data.sources.published.flickr30k_entities import bring, read_boxes, read_sentences
from iconotext.recipes.ingest import IngestOptions, run
from iconotext.tasks.grounding import Sentence

FILES = Path(__file__).resolve().parents[4] / "data" / "fixtures" / "annotations" / "flickr30k_entities"
OBJECT = "<object><name>1</name>{}</object>"
BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def annotation(*objects: str, size: str = "<size><width>9</width><height>8</height></size>") -> str:
    return f"<annotation>{size}{''.join(objects)}</annotation>"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FILES, tmp_path / "entities"))


def test_marks_come_off_and_phrases_keep_their_place() -> None:
    first, _, third, plain, last = read_sentences(FILES / "Sentences" / "1000092795.txt")
    assert first.text.startswith("Two young guys with shaggy hair look at their hands while")
    assert [phrase.text for phrase in first.phrases] == ["Two young guys", "shaggy hair", "their hands", "the yard"]
    assert third.text.endswith("beside his naïve café .")
    assert not plain.phrases
    assert [phrase.chain for phrase in last.phrases] == ["1", "0", "9"]
    for sentence in (first, third, last):
        for phrase in sentence.phrases:
            assert sentence.text[phrase.begin : phrase.end] == phrase.text
            assert sentence.text.split()[phrase.first_word :][: len(phrase.text.split())] == phrase.text.split()
    (subway,) = read_sentences(FILES / "Sentences" / "10002456.txt")
    assert subway.phrases[0].types == ("vehicles", "scene")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("A dog .\n[/EN#1/people A man in a shirt .", "line 2: the phrase .* is not closed"),
        ("[/EN#1/people A man in [/EN#2/clothing a shirt] .", "line 1: .* within"),
        ("[/EN#1/people ] runs", "line 1: .* has no words"),
        ("[people A man] runs", "line 1: .* not like"),
        ("[/EN#x/people A man] runs", "line 1: .* not like"),
    ],
)
def test_a_sentence_that_is_no_sentence_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "1.txt"
    file.write_text(line)
    with pytest.raises(DataError, match=rf"1\.txt {said}"):
        read_sentences(file)


def test_a_bracket_may_stand_alone(tmp_path: Path) -> None:
    file = tmp_path / "1.txt"
    file.write_text("[/EN#5/people Two teams ] compete [ 1 ]".replace(" [ 1 ]", " ]"))
    (found,) = read_sentences(file)
    assert (found.text, found.phrases[0].text) == ("Two teams compete ]", "Two teams")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (annotation(OBJECT.format(BOX.format(1, 1, 5, 5)))[:60], "no XML, perhaps it was cut"),
        ("", "no XML"),
        (annotation(OBJECT.format("")), "object 0 has neither"),
        (annotation(f"<object>{BOX.format(1, 1, 5, 5)}</object>"), "object 0: a <name>"),
        (annotation(OBJECT.format(BOX.format(1, 1, "x", 5))), "object 0: <xmax> .* 'x'"),
        (annotation(OBJECT.format(BOX.format(6, 1, 5, 5))), "object 0: .* inside out"),
        (annotation(OBJECT.format("<scene>maybe</scene>")), "object 0: <scene>"),
        (annotation(size=""), "<size/width>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + annotation(OBJECT.format(BOX.format(1, 1, 5, 5))), "defines entities"),
    ],
)
def test_an_annotation_that_is_none_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "1.xml"
    file.write_text(content)
    with pytest.raises(DataError, match=rf"1\.xml.*{said}"):
        read_boxes(file)


def broken(corpus: Path, file: str, old: str, new: str) -> Path:
    path = corpus / file
    assert old in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    return corpus


def test_what_leads_nowhere_is_refused(corpus: Path) -> None:
    with pytest.raises(DataError, match=r"36979\.txt line 1: 'Brown dog' is of chain 31, .* picture 36979"):
        bring(broken(corpus, "Sentences/36979.txt", "EN#30", "EN#31"))
    broken(corpus, "Sentences/36979.txt", "EN#31", "EN#30")
    with pytest.raises(DataError, match=r"val\.txt line 2: picture 7 has no .*7\.txt"):
        bring(broken(corpus, "val.txt", "10002456\n", "10002456\n7\n"))
    with pytest.raises(DataError, match=r"val\.txt line 2: picture 36979 is there before, at .*test\.txt line 1"):
        bring(broken(corpus, "val.txt", "7\n", "36979\n"))
    with pytest.raises(DataError, match=r"val\.txt line 2: expected the number"):
        bring(broken(corpus, "val.txt", "36979", "../36979"))
    broken(corpus, "val.txt", "../36979\n", "")
    shutil.rmtree(corpus / "Annotations")
    with pytest.raises(DataError, match="no folder 'Annotations'"):
        bring(corpus)


def test_boxes_go_with_the_pictures(corpus: Path, tmp_path: Path) -> None:
    """Two boxes of one chain, none of a scene; a picture that is scaled down takes its boxes along."""
    for image, size in (("1000092795", (333, 500)), ("10002456", (500, 375)), ("36979", (200, 100))):
        (corpus / "flickr30k-images").mkdir(exist_ok=True)
        Image.fromarray(np.full((size[1], size[0], 3), int(image) % 251, np.uint8)).save(
            corpus / "flickr30k-images" / f"{image}.jpg"
        )
    data = run(IngestOptions(corpus, tmp_path / "data", format="flickr30k_entities", max_side=250))
    assert data.info["splits"] == {
        "train": {"images": 1, "texts": 5, "phrases": 4},
        "validation": {"images": 1, "texts": 1, "phrases": 1},
        "test": {"images": 1, "texts": 1, "phrases": 1},
    }
    texts = dict(zip(*(data.table("texts", "train")[name].to_pylist() for name in ("text_id", "text"))))
    first, second, third, last = (Sentence.of(row) for row in data.table("phrases", "train").to_pylist())
    assert all(texts[found.id] == found.text for found in (first, second, third, last))
    assert [len(boxes) for boxes in first.boxes] == [2, 1, 0, 0]
    across = 166 / 333
    wanted = [[9 * across, 9.5, 99 * across, 109.5], [119 * across, 14.5, 199 * across, 119.5]]
    assert np.allclose(first.boxes[0], wanted)
    assert second.types == (("people",), ("other", "scene"))
    assert [len(boxes) for boxes in third.boxes] == [1, 1, 0, 1]
    assert [len(boxes) for boxes in last.boxes] == [2, 0, 0]
    (dog,) = (Sentence.of(row) for row in data.table("phrases", "test").to_pylist())
    assert (dog.phrases, dog.boxes) == (["Brown dog"], (((10.0, 20.0, 110.0, 80.0),),))
