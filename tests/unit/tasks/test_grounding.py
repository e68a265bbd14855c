from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from samples import PAGES
from toy_data import boxes_of, named, scene

from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.models.task import TaskModel
from iconotext.systems import SYSTEMS
from iconotext.tasks.base import Source
from iconotext.tasks.grounding import Grounded, Grounding, GroundingOptions, Sentence, divergence, marked, seated
from iconotext.tasks.table import task_of

PAGE = PAGES["uniter"]


@pytest.fixture(scope="module")
def source(toy) -> Source:
    return Source(toy.data, toy.store, toy.words)


@pytest.fixture(scope="module")
def grounded(source: Source) -> Grounded:
    return Grounding().examples(source, "train", training=True)


def sentence(grounded: Grounded, **changes: object) -> Sentence:
    return dataclasses.replace(grounded.texts[0], **changes)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_phrase_is_read_at_its_last_word_and_means_its_region(toy, grounded: Grounded, page) -> None:
    rows = np.arange(4)
    micro = grounded.batch(rows, Draw(0, 0, rows), toy.seats(page))
    assert micro.examples == 4
    assert micro.batch.phrases.shape == (4, 2)
    for row, places in zip(rows.tolist(), micro.batch.phrases.tolist()):
        text = grounded.texts[row]
        things = scene(text.image)
        said = [toy.words.token(int(micro.batch.text.ids[place])) for place in places if place >= 0]
        assert said == [phrase.split()[-1] for phrase in text.phrases]
        names = [named(*thing) for thing in things[:2]]
        assert text.phrases in (names, names[1:])
        wanted = [0, 1] if len(said) == 2 else [1]
        assert micro.targets[row, : len(said)].argmax(1).tolist() == wanted
        assert micro.targets[row].sum().item() == len(said)


def test_phrases_alone_are_referring_expressions(toy, source: Source, grounded: Grounded) -> None:
    task = Grounding("sigmoid", 1.0)
    alone = task.examples(source, "train", training=True)
    assert len(alone) == sum(len(text.spans) for text in grounded.texts)
    assert [text.text for text in alone.texts[:3]] == [p for text in grounded.texts[:2] for p in text.phrases]
    assert (task.kind.head, task.kind.hidden, task_of(task.kind)) == ("region", 1.0, task)
    rows = np.arange(3)
    micro = alone.batch(rows, Draw(0, 0, rows), toy.seats(PAGE))
    model = TaskModel(PAGE, task.kind, toy.words.vocab.size, toy.store.feature_dim, toy.store.class_count)
    scores = model(micro.batch)
    assert scores.shape == (3, micro.targets.shape[2])
    there = scores.isfinite()
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        scores[there], micro.targets[:, 0][there], reduction="sum"
    )
    loss = task.loss(scores, micro)
    assert loss.sum.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert loss.count.item() == 3
    assert alone.said(rows, scores.detach())["accuracy"].shape == (3,)


def test_the_loss_is_that_of_visualbert() -> None:
    """KLDivLoss("batchmean") of log-softmax against one over the number of right regions; phrases without one add nothing."""
    scores = torch.randn(2, 3, 4, requires_grad=True)
    targets = torch.zeros(2, 3, 4)
    targets[0, 0, [1, 3]] = torch.tensor([0.6, 1.0])
    targets[1, 0, 2] = 0.9
    labels = (targets > 0) / (targets > 0).sum(-1, keepdim=True).clamp(min=1)
    theirs = torch.nn.KLDivLoss(reduction="batchmean")(scores.log_softmax(-1), labels)
    ours = divergence(scores, targets)
    assert ours.mean.item() == pytest.approx(theirs.item(), rel=1e-5)
    padded = torch.cat([scores, torch.full((2, 3, 1), -torch.inf)], -1)
    again = divergence(padded, torch.cat([targets, torch.zeros(2, 3, 1)], -1))
    assert again.sum.item() == pytest.approx(ours.sum.item(), rel=1e-5)
    again.sum.backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_what_means_no_box_is_no_part_of_it(toy, source: Source, grounded: Grounded) -> None:
    boxes = grounded.texts[0].boxes
    rows = [
        sentence(grounded, boxes=((), boxes[1])),
        sentence(grounded, boxes=((), ())),
        sentence(grounded, boxes=(((0.0, 150.0, 30.0, 190.0),), boxes[1])),
        sentence(grounded, boxes=(((0.0, 150.0, 30.0, 190.0),),) * 2),
    ]
    learned, measured = (Grounded(source, rows, "attention", training) for training in (True, False))
    assert (len(learned), learned.left_out, learned.without_box) == (2, 1, 3)
    assert (len(measured), measured.left_out, measured.without_box) == (3, 0, 3)
    about = measured.about()
    assert (about["phrases"], about["upper_bound"], about["upper_bound_merged"]) == (5, 0.4, 0.4)
    micro = learned.batch(np.arange(2), Draw(0, 0, np.arange(2)), toy.seats(PAGE))
    assert micro.targets[1, 0].sum() == 0


def test_several_boxes_by_both_protocols(source: Source, grounded: Grounded) -> None:
    image = grounded.texts[0].image
    one, two, *_ = boxes_of(image)
    both = sentence(grounded, boxes=((tuple(one), tuple(two)), (tuple(two),)))
    examples = Grounded(source, [both], "attention", training=False)
    count = len(boxes_of(image))
    scores = torch.arange(count, 0, -1.0).repeat(1, 2, 1)
    said = examples.said(np.arange(1), scores)
    assert said["any_1"][0] == [1.0, 0.0]
    assert said["any_5"][0] == [1.0, 1.0]
    assert said["merged_10"][0] == [0.0, 1.0]
    assert said["predicted"][0] == [one, one]
    assert said["accuracy"].tolist() == [0.5]
    guess = examples.said(np.arange(1), torch.zeros(1, 2, 0))
    assert guess["any_1"][0] == pytest.approx([2 / count, 1 / count])
    assert guess["score"].tolist() == [0.0]
    measures = {measure.name: measure for measure in examples.measures(said)}
    assert measures["phrases R@1, any box"].values.tolist() == [1.0, 0.0]
    assert measures["phrases R@1, any box"].units == [image] * 2
    assert list(measures["phrases R@1, any box"].parts()) == sorted({kind for kinds in both.types for kind in kinds})
    assert not measures["phrases R@1, merged box"].parts()


def test_regions_that_a_model_does_not_read_are_no_guess(toy, grounded: Grounded) -> None:
    seats = dataclasses.replace(toy.seats(PAGE), max_regions=1)
    rows = np.arange(2)
    micro = grounded.batch(rows, Draw(0, 0, rows), seats)
    assert micro.targets.shape[2] == 1
    said = grounded.said(rows, torch.zeros(2, 2, 1))
    assert said["any_10"][0] == [1.0, 0.0]


def test_a_phrase_that_was_cut_off_is_read_where_the_text_ends(toy, grounded: Grounded) -> None:
    text = grounded.texts[0]
    for words, wanted in ((2, [2, 2]), (0, [0, 0])):
        seats = dataclasses.replace(toy.seats(PAGE), max_words=words)
        micro = grounded.batch(np.arange(1), Draw(0, 0, np.arange(1)), seats)
        assert len(text.spans) == 2
        assert micro.batch.phrases.tolist() == [wanted]


def test_a_row_of_the_table_has_to_agree_with_itself(toy) -> None:
    row = toy.data.table("phrases", "train").to_pylist()[0]
    assert Sentence.of(row).phrases == [row["text"][begin:end] for begin, end in row["spans"]]
    with pytest.raises(DataError, match="2 spans, 1 types"):
        Sentence.of(row | {"types": row["types"][:1]})
    for span in ([3, 3], [0, 400], [-1, 4]):
        with pytest.raises(DataError, match="not of its"):
            Sentence.of(row | {"spans": [span, span]})


def test_phrases_in_brackets() -> None:
    found = marked("there is [a red dog] left of [two cats].")
    assert found.text == "there is a red dog left of two cats."
    assert found.phrases == ["a red dog", "two cats"]
    assert marked("[狗]和[猫]").phrases == ["狗", "猫"]
    for wrong in ("a dog", "a [dog", "a] dog", "[a [red] dog]", "[ ] dog"):
        with pytest.raises(DataError, match="brackets"):
            marked(wrong)


@pytest.mark.parametrize("form", ["attention", "sigmoid"])
def test_a_sentence_of_ones_own_is_seated_as_in_training(toy, source: Source, form) -> None:
    examples = Grounding(form).examples(source, "train", training=False)
    text = Grounding().examples(source, "train", training=False).texts[0]
    rows = np.arange(1 if form == "attention" else 2)
    micro = examples.batch(rows, Draw(0, 0, rows), toy.seats(PAGE))
    regions = toy.store.gather([text.image] * len(rows))
    batch = seated(toy.seats(PAGE), toy.words, text, regions, form)
    assert batch.text.ids.tolist() == micro.batch.text.ids.tolist()
    assert batch.phrases.tolist() == micro.batch.phrases.tolist()


def test_the_page_decides(source: Source) -> None:
    made = {name: GroundingOptions().task(source, "train", page) for name, page in SYSTEMS.items()}
    assert [name for name, task in made.items() if task.form != "attention"] == ["12in1"]
    assert made["12in1"].form == "sigmoid"
    alone = GroundingOptions("alone").task(source, "train", SYSTEMS["uniter"])
    assert (alone.form, alone.hidden) == ("softmax", 0.0)
    assert GroundingOptions("attention").task(source, "train", SYSTEMS["12in1"]).form == "attention"
