from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from iconotext.core.errors import DataError, MissingPiece
from iconotext.regions import weights


def test_what_is_saved_is_loaded(weights_file: Path) -> None:
    found = weights.load(weights_file)
    assert found.classes == ("cat", "dog", "猫")
    assert found.attributes == ("red", "blue")
    assert found.digest == hashlib.sha256(weights_file.read_bytes()).hexdigest()
    assert found.info["command"] == "made for a test"
    assert not found.network.training
    assert not any(p.requires_grad for p in found.network.parameters())


def test_missing_files_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingPiece, match="iconotext detector train"):
        weights.load(tmp_path / "none.safetensors")


def test_files_that_do_not_belong_together(weights_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    shutil.copy(weights_file, path)
    info = json.loads(weights_file.with_suffix(".json").read_text("utf-8"))
    for change, message in (
        ({"format": "another/9"}, "another/9"),
        ({"shape": info["shape"] | {"feature": 13}}, "not the weights"),
        ({"shape": {"wings": 2}}, "not the weights"),
    ):
        path.with_suffix(".json").write_text(json.dumps(info | change))
        with pytest.raises(DataError, match=message):
            weights.load(path)
    path.with_suffix(".json").write_text(json.dumps(info))
    path.write_bytes(b"torn")
    with pytest.raises(DataError, match="not the weights"):
        weights.load(path)
