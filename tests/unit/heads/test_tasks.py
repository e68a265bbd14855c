"""Heads of several tasks on one trunk."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import torch
from samples import FEATURES, PAGES, VOCAB, batch_of, shake

from iconotext.core.batch import Encoded
from iconotext.core.fingerprint import Fingerprint
from iconotext.heads.tasks import PhraseAttention, TaskHead, TaskScores, by_row, side_by_side
from iconotext.models.checkpoint import Features, load, save
from iconotext.models.pretrain import PretrainModel
from iconotext.systems.twelve_in_one import TWELVE_IN_ONE

FORMS = (
    TaskHead("vqa", hidden=2.0),
    TaskHead("two", "two pooled", 1.0),
    TaskHead("words", "text"),
    TaskHead("boxes", "region"),
)
OUTPUTS = {"vqa": 7, "two": 2, "words": 1, "boxes": 1}
PAGE = dataclasses.replace(PAGES["vilbert"], tasks=FORMS)


def model_of() -> PretrainModel:
    torch.manual_seed(0)
    model = PretrainModel(PAGE, VOCAB.size, FEATURES, 3, tasks=OUTPUTS)
    shake(model)
    return model.eval()


def test_each_head_reads_what_it_says() -> None:
    model, batch = model_of(), batch_of(PAGE, [3, 2, 4, 1], [2, 3, 1, 4])
    view = model.view(batch)
    shapes = {name: tuple(model.scores(name, view).shape) for name in OUTPUTS}
    words, regions = batch.text.ids.numel(), batch.region.masked.numel()
    assert shapes == {"vqa": (4, 7), "two": (2, 2), "words": (words, 1), "boxes": (regions, 1)}
    head = model.tasks["two"]
    assert isinstance(head, TaskScores)
    pooled = view.pooled()
    side_by_side = torch.cat([pooled[2], pooled[3]])
    assert torch.allclose(model.scores("two", view)[1], head.scores(side_by_side[None])[0], atol=1e-6)


def test_a_model_has_the_heads_whose_scores_are_counted() -> None:
    assert not PretrainModel(PAGE, VOCAB.size, FEATURES, 3).tasks
    with torch.device("meta"):
        assert set(PretrainModel(PAGE, VOCAB.size, FEATURES, 3, tasks={"vqa": 7, "other": 2}).tasks) == {"vqa"}


def test_a_checkpoint_keeps_them(tmp_path: Path) -> None:
    model = model_of()
    made = Fingerprint("world", "ab", "fc6", "192", "rgb", "10 to 36", "float16", FEATURES, 3, 2)
    save(tmp_path, model, "{}", Features(made, ("a",), ("b",)), {})
    found = load(tmp_path).model
    assert isinstance(found, PretrainModel)
    batch = batch_of(PAGE, [3, 2], [2, 3])
    assert torch.equal(found.scores("vqa", found.view(batch)), model.scores("vqa", model.view(batch)))


def test_the_heads_of_twelve_in_one() -> None:
    """facebookresearch/vilbert-multi-task: sizes of VILBertForVLTasks with its 3,129 and 1,533 answers."""
    outputs = {"vqa": 3129, "gqa": 1533, "two_images": 2, "entailment": 3, "match": 1, "region": 1, "word": 1}
    with torch.device("meta"):
        tasks = PretrainModel(TWELVE_IN_ONE, 30522, 2048, 1601, tasks=outputs).tasks
    counted = {name: sum(p.numel() for p in head.parameters()) for name, head in tasks.items()}
    assert counted == {
        "vqa": 1024 * 2048 + 2048 + 2 * 2048 + 2048 * 3129 + 3129,
        "gqa": 1024 * 2048 + 2048 + 2 * 2048 + 2048 * 1533 + 1533,
        "two_images": 2048 * 2048 + 2048 + 2 * 2048 + 2048 * 2 + 2,
        "entailment": 1024 * 3 + 3,
        "match": 1025,
        "region": 1025,
        "word": 769,
    }


def test_kept_tokens_by_row() -> None:
    kept = torch.tensor([False, True, True, True, False, True])
    found = by_row(torch.arange(6.0), kept, torch.tensor([0, 3, 4, 4, 6]))
    nothing = -torch.inf
    assert found.tolist() == [[1.0, 2.0], [3.0, nothing], [nothing, nothing], [5.0, nothing]]
    assert by_row(torch.zeros(0), torch.zeros(0, dtype=torch.bool), torch.tensor([0, 0, 0])).shape == (2, 0)


def test_words_and_regions_of_a_row_side_by_side() -> None:
    text, region = torch.arange(1.0, 4.0)[:, None], torch.arange(10.0, 14.0)[:, None]
    states, filled = side_by_side(Encoded(text, region, torch.tensor([0, 1, 3]), torch.tensor([0, 3, 4])))
    assert states[..., 0].tolist() == [[1, 10, 11, 12], [2, 3, 13, 0]]
    assert filled.tolist() == [[True] * 4, [True, True, True, False]]


def test_regions_for_phrases_are_those_of_their_row() -> None:
    torch.manual_seed(0)
    head = PhraseAttention(5, 3, 4)
    text, region = torch.randn(6, 5), torch.randn(7, 3)
    encoded = Encoded(text, region, torch.tensor([0, 2, 6, 6]), torch.tensor([0, 4, 4, 7]))
    kept = torch.tensor([False, True, True, True, False, True, True])
    phrases = torch.tensor([[1, 0], [5, -1], [3, 2]])
    found = head(encoded, phrases, kept)
    assert found.shape == (3, 2, 3)
    regions = [[1, 2, 3], [], [5, 6]]
    for row, place, column in itertools.product(range(3), range(2), range(3)):
        if phrases[row, place] < 0 or column >= len(regions[row]):
            assert found[row, place, column] == -torch.inf
        else:
            query, key = head.query(text[phrases[row, place]]), head.key(region[regions[row][column]])
            assert torch.allclose(found[row, place, column], query @ key / 2, atol=1e-6)
    assert head(encoded, phrases, torch.zeros(7, dtype=torch.bool)).shape == (3, 2, 0)
    found[phrases >= 0].nan_to_num(neginf=0.0).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
