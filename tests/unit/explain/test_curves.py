from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from iconotext.explain.curves import middle, section
from iconotext.explain.runs import find


def test_every_objective_has_a_panel_and_every_run_a_line(folder: Path) -> None:
    runs = find(folder)
    page = "".join(section(runs).body)
    for name in ("mlm", "mrc_soft", "itm", "wra", "vqa", "retrieval", "learning rate", "speed", "accuracy"):
        assert f"<b><span>{name}</span></b>" in page
    for run in runs:
        assert f'<th scope="row"><span>{run.name}</span></th>' in page
    assert "the same for all" in page


def test_steps_that_were_left_out_are_said(folder: Path) -> None:
    (run,) = find(folder / "pretrain")
    page = "".join(section([replace(run, lines=(*run.lines, {"kind": "skipped", "step": 7}))]).body)
    assert "not finite: 1 step." in page


def test_middle(folder: Path) -> None:
    (run,) = find(folder / "pretrain")
    assert 1150 < middle(run, "rows_per_second") < 1210
    assert middle(run, "nothing") == 0


def test_without_a_log_the_command_is_named(folder: Path) -> None:
    (run,) = find(folder / "pretrain")
    assert section([replace(run, lines=())]).missing == "log"
