"""Published files as tensors, and what is refused."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from iconotext.convert.read import read, read_tensors
from iconotext.core.errors import ConfigError, DataError

STATE = {"a.weight": torch.arange(4.0).view(2, 2), "b": torch.ones(3)}


class Trap:
    """Makes a file when it is unpickled by a loader that does what a pickle says."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> object:
        return Path.touch, (self.trace,)


def same(found: object) -> bool:
    assert isinstance(found, dict)
    return found.keys() == STATE.keys() and all(torch.equal(found[key], value) for key, value in STATE.items())


@pytest.mark.parametrize("name", ["w.safetensors", "w.bin", "w.pth", "w.pt", "w.th"])
def test_a_file_of_each_kind(tmp_path: Path, name: str) -> None:
    save = save_file if name.endswith("safetensors") else torch.save
    save(STATE, tmp_path / name)
    found = read(tmp_path / name)
    assert same(found.state)
    assert found.config is None
    assert found.tokenizer is None


def test_a_file_of_the_first_years(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert same(read_tensors(tmp_path / "w.pth"))


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state", "model"])
def test_tensors_beside_an_optimizer(tmp_path: Path, wrapper: str) -> None:
    torch.save({wrapper: STATE, "optimizer": {"lr": 0.1, "state": {0: torch.ones(1)}}, "epoch": 3}, tmp_path / "w.pt")
    assert same(read_tensors(tmp_path / "w.pt"))


@pytest.mark.parametrize("kind", ["zip", "old", "bare"])
def test_a_file_that_wants_to_run_code_is_refused_and_leaves_no_trace(tmp_path: Path, kind: str) -> None:
    path, trace = tmp_path / "w.bin", tmp_path / "trace"
    trapped = {**STATE, "c": Trap(trace)}
    if kind == "bare":
        path.write_bytes(pickle.dumps(trapped, protocol=2))
    else:
        torch.save(trapped, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(DataError, match=r"w\.bin is refused, and nothing in it was run: .*\. If you trust it"):
        read(path)
    assert not trace.exists()
    torch.load(path, weights_only=False) if kind != "bare" else pickle.loads(path.read_bytes())
    assert trace.exists()  # the trap works


def test_tar_files_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with tarfile.open(path, "w") as tar:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(DataError, match=r"legacy \.tar format\. If you trust it"):
        read(path)


def folder(path: Path) -> Path:
    """A folder in Hugging Face's form."""
    path.mkdir()
    (path / "config.json").write_text('{"hidden_size": 2}')
    (path / "vocab.txt").write_text("[PAD]\n")
    return path


@pytest.mark.parametrize("kind", ["safetensors", "bin", "pieces", "pieces of bin"])
def test_a_folder(tmp_path: Path, kind: str) -> None:
    path = folder(tmp_path / "hf")
    if kind == "safetensors":
        save_file(STATE, path / "model.safetensors")
    elif kind == "bin":
        torch.save(STATE, path / "pytorch_model.bin")
    else:
        stem, save = ("pytorch_model.bin", torch.save) if "bin" in kind else ("model.safetensors", save_file)
        names = {key: f"{number}-of-2.{stem.split('.')[1]}" for number, key in enumerate(STATE, 1)}
        for key, name in names.items():
            save({key: STATE[key]}, path / name)
        (path / f"{stem}.index.json").write_text(json.dumps({"weight_map": names}))
    found = read(path)
    assert same(found.state)
    assert found.config == {"hidden_size": 2}
    assert found.tokenizer == path / "vocab.txt"


def test_a_tokenizer_of_its_own_is_preferred(tmp_path: Path) -> None:
    path = folder(tmp_path / "hf")
    save_file(STATE, path / "model.safetensors")
    (path / "tokenizer.json").write_text("{}")
    assert read(path).tokenizer == path / "tokenizer.json"


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"a.weight": "../w.safetensors"}, "not a file beside it"),
        ({"a.weight": "gone.safetensors"}, "gone.safetensors cannot be read"),
        ({"a.weight": "w.safetensors", "c": "w.safetensors"}, "lists c and 0 more"),
        (None, "no weight_map"),
    ],
)
def test_an_index_that_lies(tmp_path: Path, listed: dict[str, str] | None, message: str) -> None:
    path = folder(tmp_path / "hf")
    save_file(STATE, path / "w.safetensors")
    (path / "model.safetensors.index.json").write_text(json.dumps({} if listed is None else {"weight_map": listed}))
    with pytest.raises(DataError, match=message):
        read(path)


@pytest.mark.parametrize("value", [{}, {"a": 3}, {"a": "text", "b": torch.ones(1)}, [torch.ones(1)]])
def test_what_holds_no_tensors_by_name(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "w.pt")
    with pytest.raises(DataError, match=r"w\.pt holds"):
        read(tmp_path / "w.pt")


@pytest.mark.parametrize(("name", "content"), [("w.safetensors", b"1234567890"), ("w.bin", b""), ("w.pt", b"PK\3\4")])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["bert_model.ckpt", "bert_model.ckpt.index", "."])
def test_tensorflow_has_a_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "bert_model.ckpt.index").write_bytes(b"")
    with pytest.raises(DataError, match="from_tf=True"):
        read(tmp_path / name)


def test_what_is_not_there_or_of_no_known_kind(tmp_path: Path) -> None:
    (tmp_path / "w.zip").write_bytes(b"")
    for path, message in (
        (tmp_path / "no.bin", "does not exist"),
        (tmp_path, "holds no model"),
        (tmp_path / "w.zip", "expected"),
    ):
        with pytest.raises(DataError, match=message):
            read(path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_config_that_is_none(tmp_path: Path, text: str) -> None:
    path = folder(tmp_path / "hf")
    save_file(STATE, path / "model.safetensors")
    (path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json is no"):
        read(path)
