from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from iconotext.explain.runs import find
from iconotext.explain.tasks import figures_of, groups, measured, section


def test_runs_are_compared_by_task_and_name(folder: Path) -> None:
    tuned = [run for run in find(folder) if run.task]
    assert [[run.name for run in members] for members in groups(tuned)] == [
        ["vqa", "vqa-scratch", "vqa-blind"],
        ["retrieval", "retrieval-scratch"],
    ]


def test_a_blind_model_has_its_figures_under_the_plain_names(folder: Path) -> None:
    (run,) = find(folder / "vqa-blind")
    assert measured(run)["VQA accuracy"]["value"] == 0.387
    assert set(measured(run, "by_kind")) == {"exists", "colour", "count"}


def test_the_table_says_what_pre_training_bought(folder: Path) -> None:
    page = "".join(section(find(folder)).body)
    assert "+23.9" in page
    assert page.index("Visual question answering") < page.index("Image and text retrieval")
    assert "same 600 steps" in page
    for column in ("with pre-training", "without pre-training", "without the picture", "gain"):
        assert f'<th scope="col">{column}</th>' in page


def test_unequal_steps_are_said(folder: Path) -> None:
    runs = find(folder)
    short = [replace(run, lines=run.lines[:20]) if run.variant == "scratch" else run for run in runs]
    assert "Steps differ: with pre-training 600, without pre-training 190" in "".join(section(short).body)


def test_a_model_that_was_not_fine_tuned(folder: Path) -> None:
    (run,) = find(folder / "pretrain")
    scored = replace(run, evaluation={"figures": [{"name": "text to image R@1", "value": 0.4}]})
    page = "".join(section([scored]).body)
    assert "without any fine-tuning" in page
    assert "gain" not in page


def test_figures_in_any_of_their_forms() -> None:
    assert figures_of([{"name": "a", "value": 1.0}, {"name": "b", "value": None}]) == {"a": {"name": "a", "value": 1.0}}
    assert figures_of({"a": 0.5}) == {"a": {"name": "a", "value": 0.5}}
    assert figures_of(None) == {}


def test_without_evaluations_the_command_is_named() -> None:
    assert section([]).missing == "evaluation"
