from __future__ import annotations

from iconotext.explain.html import el
from iconotext.explain.page import COMMANDS, Section, document


def test_missing_parts_are_left_out_and_their_commands_named() -> None:
    there = Section("a", "There & here", "What one sees.", (el("p", "body"),))
    page = document("T", el("header"), [there, *(Section(key, key, "", (), key) for key in COMMANDS)])
    for key, commands in COMMANDS.items():
        assert f'id="{key}"' not in page
        assert f'href="#{key}"' not in page
        for command in commands.split(", then "):
            assert f"<code>{command}</code>" in page
    assert "There &amp; here" in page
