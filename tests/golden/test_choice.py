"""The choice of cases that a clone holds: every system that numbers were recorded of, in little room."""

from __future__ import annotations

from pathlib import Path

from cases import Case

CHOICE = Path(__file__).resolve().parents[1] / "data" / "golden"
ROOM = 6_000_000


def systems(folder: Path) -> set[str]:
    return {Case(path.parent).info["system"] for path in folder.rglob("case.json")}


def test_every_recorded_system_is_among_them(golden_dir: Path) -> None:
    assert systems(golden_dir) <= systems(CHOICE)


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in CHOICE.rglob("*") if path.is_file()) <= ROOM
