from __future__ import annotations

import numpy as np
import torch
from samples import PAGES

from iconotext.core.seed import Draw
from iconotext.tasks.base import Source
from iconotext.tasks.entailment import LABELS, Entailment, EntailmentOptions


def test_three_labels(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    examples = Entailment().examples(source, "train", training=True)
    micro = examples.batch(np.arange(3), Draw(0, 0, np.arange(3)), toy.seats(PAGES["vilbert"]))
    assert [LABELS[i] for i in micro.targets.argmax(1).tolist()] == ["entailment", "contradiction", "neutral"]
    said = examples.said(np.arange(3), torch.eye(3))
    assert said["predicted"].tolist() == list(LABELS)
    assert said["accuracy"].tolist() == [0.0, 0.0, 0.0]
    assert examples.kinds[:3] == ["entailment", "contradiction", "neutral"]


def test_without_agreement_there_is_nothing_to_learn(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    examples = Entailment().examples(source, "train", training=False)
    examples.rows[0]["label"] = "-"
    assert np.isnan(examples.said(np.arange(1), torch.eye(3)[:1])["accuracy"]).all()


def test_the_page_decides_on_the_head(toy) -> None:
    source = Source(toy.data, toy.store, toy.words)
    hidden = {name: EntailmentOptions().task(source, "train", page).kind.hidden for name, page in PAGES.items()}
    assert hidden == {"uniter": 2.0, "vilbert": 0.0}
