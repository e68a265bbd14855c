from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from samples import PAGES
from toy_data import COLOURS, choice, scene

from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.tasks.base import Source
from iconotext.tasks.choices import ChoiceOptions, Choices, Chosen

IMAGES = 48


@pytest.fixture(scope="module")
def chosen(toy) -> Chosen:
    return Choices().examples(Source(toy.data, toy.store, toy.words), "train", training=True)


def made(toy, training: bool = False, **changes: object) -> Chosen:
    source = Source(toy.data, toy.store, toy.words)
    rows = [{**row, **changes} for row in source.read("choices", "train", "image_id")[:3]]
    return Chosen(source, rows, training, "both")


def test_answers_then_reasons_for_the_right_ones(toy, chosen: Chosen) -> None:
    assert len(chosen) == 2 * IMAGES
    columns = chosen.columns()
    assert columns["asked"] == ["answer"] * IMAGES + ["reason"] * IMAGES
    question, answers, answer, reasons, reason = choice("train-0")
    assert (columns["question"][0], columns["options"][0], columns["right"][0]) == (question, answers, answer)
    assert columns["question"][IMAGES] == f"{question} {answers[answer]}"
    assert (columns["options"][IMAGES], columns["right"][IMAGES]) == (reasons, reason)
    source = Source(toy.data, toy.store, toy.words)
    for asked in ("answers", "reasons"):
        task = ChoiceOptions(asked).task(source, "train", PAGES["vilbert"])
        assert len(task.examples(source, "train", training=True)) == IMAGES
        assert len(task.examples(source, "train", training=False)) == 2 * IMAGES, "both are measured"


@pytest.mark.parametrize(("name", "second"), [("uniter", 2), ("vilbert", 1)])
def test_a_row_is_a_question_and_an_option(toy, chosen: Chosen, name: str, second: int) -> None:
    rows = np.array([0, IMAGES])
    micro = chosen.batch(rows, Draw(0, 0, rows), toy.seats(PAGES[name]))
    text, (_, answers, answer, _, reason) = micro.batch.text, choice("train-0")
    assert (micro.batch.group, len(micro.batch), micro.examples) == (3, 6, 2)
    assert micro.targets.argmax(1).tolist() == [answer, reason]
    begin, end = text.offsets[1].item(), text.offsets[2].item()
    words = [toy.words.token(i) for i in text.ids[begin:end].tolist()]
    middle = words.index("[SEP]")
    assert toy.words.decode(text.ids[begin + 1 : begin + middle].tolist()) == "what colour is the dog".replace(
        "dog", ("dog", "cat", "cup", "tree")[scene("train-0")[0][0]]
    )
    assert words[middle + 1 : -1] == answers[1].replace("[0]", "").split()
    assert text.segment[begin:end].tolist() == [0] * (middle + 1) + [second] * (len(words) - middle - 1)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_words_name_regions_where_the_data_says_so(toy, chosen: Chosen, page) -> None:
    rows = np.array([IMAGES])
    micro = chosen.batch(rows, Draw(0, 0, rows), toy.seats(page))
    text, region = micro.batch.text, micro.batch.region
    (thing, _), (other, _) = scene("train-0")[:2]
    names = ("dog", "cat", "cup", "tree")
    extra = int(page.layout.whole_image != "none")
    first = slice(0, int(text.offsets[1]))
    words = [toy.words.token(i) for i in text.ids[first].tolist()]
    links = text.link[first].tolist()
    assert {word: link for word, link in zip(words, links) if link >= 0} == {
        names[thing]: extra,
        names[other]: 1 + extra,
    }
    assert "[" not in "".join(word for word in words if word not in ("[CLS]", "[SEP]"))
    assert len(region.linked) == len(region.segment)
    places = [place for place, link in enumerate(links) if link == extra]
    assert region.linked[extra][region.linked[extra] >= 0].tolist() == places
    named = choice("train-0")[0]
    with pytest.raises(DataError, match="names object 7"):
        made(toy, question=named.replace("[0]", "[7]"))


def test_without_names_there_are_no_links(toy) -> None:
    plain = made(toy, question="what is it", answers=["a", "b"], reasons=["c", "d"], answer=0, reason=1)
    micro = plain.batch(np.arange(2), Draw(0, 0, np.arange(2)), toy.seats(PAGES["uniter"]))
    assert (micro.batch.text.link == -1).all()
    assert micro.batch.region.linked.shape[1] == 0


def test_the_three_figures(chosen: Chosen) -> None:
    accuracy = np.zeros(2 * IMAGES)
    accuracy[:12] = 1.0
    accuracy[IMAGES + 8 : IMAGES + 20] = 1.0
    found = {measure.name: measure.values.sum() for measure in chosen.measures({"accuracy": accuracy})}
    assert found == {"choices Q→A": 12, "choices QA→R": 12, "choices Q→AR": 4}


def test_each_papers_loss(toy, chosen: Chosen) -> None:
    rows = np.arange(5)
    micro = chosen.batch(rows, Draw(0, 0, rows), toy.seats(PAGES["uniter"]))
    scores = torch.randn(5, 3)
    labels = micro.targets.argmax(1)
    softmax = torch.nn.functional.cross_entropy(scores, labels).item()
    assert Choices("softmax").loss(scores, micro).mean.item() == pytest.approx(softmax, rel=1e-5)
    # UNITER: two classes of each option, whose difference is the score.
    two = torch.stack([torch.zeros(15), scores.view(-1)], 1)
    each = torch.nn.functional.cross_entropy(two, micro.targets.view(-1).long(), reduction="sum").item() / 5
    assert Choices("sigmoid").loss(scores, micro).mean.item() == pytest.approx(each, rel=1e-5)


def test_without_right_answers_every_reason_is_scored_for_the_server(toy) -> None:
    examples = made(toy, answer=-1, reason=None)
    options = len(COLOURS)
    assert len(examples) == 3 * (1 + options)
    said = examples.said(np.arange(len(examples)), torch.randn(len(examples), options))
    assert np.isnan(said["accuracy"]).all()
    table = pa.table({**examples.columns(), "shares": list(said["shares"])})
    found = examples.submission(table)
    assert found is not None
    name, text = found
    lines = text.splitlines()
    assert name == "vcr_results.csv"
    assert lines[0].split(",")[:5] == ["annot_id", "answer_0", "answer_1", "answer_2", "rationale_conditioned_on_a0_0"]
    assert [len(line.split(",")) for line in lines] == [1 + options + options * options] * 4
    shares = [float(share) for share in lines[1].split(",")[1:]]
    assert np.reshape(shares, (-1, options)).sum(1) == pytest.approx(np.ones(1 + options), abs=1e-5)
    assert len(made(toy, training=True, answer=0, reason=None)) == 3, "only what is known is learned"
    assert made(toy).submission(table) is None


def test_options_of_different_numbers_are_refused(toy) -> None:
    with pytest.raises(DataError, match="as many options"):
        made(toy, reasons=["a", "b"], reason=0)
