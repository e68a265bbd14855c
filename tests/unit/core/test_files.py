"""Files written whole, and what a folder says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iconotext.core.errors import DataError
from iconotext.core.files import read_about, write_bytes, write_json


def test_a_file_is_written_aside_first(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.json"
    write_bytes(path, b"old")
    write_json(path, {"a": "中"})
    assert json.loads(path.read_text("utf-8")) == {"a": "中"}
    assert list(path.parent.iterdir()) == [path]


def test_what_a_folder_says_is_read_in_one_format_only(tmp_path: Path) -> None:
    file = tmp_path / "store.json"
    write_json(file, {"format": "things/1", "a": 1})
    assert read_about(file, "things/1") == {"format": "things/1", "a": 1}
    with pytest.raises(DataError, match=r"store\.json: format 'things/1', this version reads 'things/2'"):
        read_about(file, "things/2")
    for text, message in (("{", "is not JSON"), ("[]", "format None"), ("\udce4", "is not JSON")):
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(DataError, match=message):
            read_about(file, "things/1")
