"""Who may import whom, as `.importlinter` says; `make arrows` shows the same."""

from __future__ import annotations

import pytest
from importlinter.cli import lint_imports


def test_imports_follow_the_arrows(root, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(root)
    status = lint_imports()
    assert status == 0, capsys.readouterr().out
