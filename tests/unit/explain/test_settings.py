from __future__ import annotations

from pathlib import Path

from iconotext.explain.runs import Run, find
from iconotext.explain.settings import flat, section


def test_nested_settings_have_dotted_names() -> None:
    values = {
        "type": "T",
        "a": {"b": [1, 2], "c": None},
        "d": True,
        "groups": [{"type": "Group", "pattern": "x", "rate": 1}],
    }
    assert dict(flat(values)) == {"a.b": "1, 2", "a.c": "none", "d": "yes", "groups": "pattern=x rate=1"}


def test_each_run_has_a_folded_block(folder: Path) -> None:
    page = "".join(section(find(folder)).body)
    assert page.count("<details>") == 6
    for text in ("learning_rate", "0.001", "2.15.0", "detector", "iconotext pretrain"):
        assert text in page


def test_without_settings_the_command_is_named() -> None:
    assert section([Run("x", Path("x"))]).missing == "settings"
