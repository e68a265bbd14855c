from __future__ import annotations

from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.explain import examples
from iconotext.explain.pictures import Pictures


def test_the_hidden_word_is_a_gap() -> None:
    assert examples.sentence("a [MASK] & a [MASK]").count('class="gap"') == 2
    assert "[MASK]" not in examples.sentence("a [MASK]")


def test_masked_words_are_guessed_twice(data: DataSet) -> None:
    case = {
        "image_id": "p0",
        "text": "a [MASK]",
        "word": "car",
        "with": [["car", 0.9], ["dog", 0.05]],
        "without": [["dog", 0.2], ["cat", 0.1]],
    }
    (page,) = examples.masked_words([case], Pictures(data, None)).body
    assert page.count('class="hit"') == 1
    assert "hidden: <span>car</span>" in page
    assert page.index("90") < page.index("without")


def test_regions_say_how_many_are_left_out(data: DataSet, store: RegionStore) -> None:
    (page,) = examples.regions([{"image_id": "p0"}], Pictures(data, store)).body
    assert "<span>red car</span>" in page
    assert "and 1 below" in page
    assert examples.regions([{"image_id": "p0"}], Pictures(data, None)).missing == "measures"


def test_captions_stand_with_those_of_people(data: DataSet) -> None:
    case = {
        "image_id": "p0",
        "caption": "a <dog>",
        "rouge_l": 0.25,
        "references": ["a cat", "cats"],
        "without": "a hat",
    }
    page = "".join(examples.captions([case], Pictures(data, None)).body)
    for told in ("a &lt;dog&gt;", "25", "a cat; cats", "a hat"):
        assert told in page


def test_questions_right_and_wrong(data: DataSet) -> None:
    case = {
        "image_id": "p0",
        "question": "what?",
        "answer": "four",
        "predicted": "two",
        "confidence": 0.5,
        "right": False,
        "without": "six",
    }
    page = "".join(examples.questions([case], Pictures(data, None)).body)
    assert "Answered wrong" in page
    assert "Answered right" not in page
    for text in ("what?", "four", "two", "six", "✗"):
        assert text in page


def test_the_right_picture_is_marked_wherever_it_is(data: DataSet) -> None:
    def page(answer: str) -> str:
        case = {"query": "a car", "answer_image": answer, "ranking": [["p0", 3.2], ["p1", -1.0]]}
        (block,) = examples.queries([case], Pictures(data, None)).body
        return block

    assert page("p1").count("✓ right") == 1
    assert "not among these" not in page("p1")
    assert "not among these" in page("p5")
    assert page("p5").count("<img") == 3
