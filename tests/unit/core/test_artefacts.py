"""Weights and corpora by hash."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from pathlib import Path

import pytest

from iconotext.core.artefacts import (
    TORCHVISION,
    Artefact,
    digest,
    folder,
    keep,
    locate,
    manifest,
    place_of,
    require_weights,
    verify,
)
from iconotext.core.errors import ConfigError, DataError, MissingPiece
from iconotext.recipes import artefacts as recipe
from iconotext.recipes.artefacts import ArtefactsOptions, FetchOptions, KeepOptions


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("ICONOTEXT_ARTEFACTS", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "artefacts"))
    return tmp_path / "artefacts"


def note(*entries: Artefact) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / "manifest.json").write_text(json.dumps([vars(entry) for entry in entries]), "utf-8")


def made(file: Path, content: bytes = b"weights", **more: object) -> Artefact:
    sha256 = hashlib.sha256(content).hexdigest()
    values = {"name": "own", "file": file.name, "sha256": sha256, "size": len(content), "licence": "MIT", "sources": ()}
    return Artefact(**(values | more))  # type: ignore[arg-type]


def test_what_ships_says_what_is_known() -> None:
    for name, artefact in manifest().items():
        assert artefact.file
        assert artefact.licence
        assert artefact.sources
        assert re.fullmatch("[0-9a-f]*", artefact.sha256)
        if name.startswith(TORCHVISION):
            assert len(artefact.sha256) in (8, 10)
        else:
            assert len(artefact.sha256) in (0, 64)
        if artefact.find() is not None:
            assert (artefact.find().stat().st_size, digest([artefact.find()])) == (artefact.size, artefact.sha256)
    assert manifest()["world"].find() is not None
    assert len({artefact.place for artefact in manifest().values()}) == len(manifest())


def test_one_without_a_hash_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "there" / "own.pth"
    source.parent.mkdir()
    source.write_bytes(b"weights")
    artefact = made(source, sha256="", size=0, name="10-100, of theirs", sources=(source.as_uri(),))
    note(artefact)
    with pytest.raises(MissingPiece, match=r"size not known, MIT[\s\S]*sha256 not known: its publisher tells none"):
        artefact.require("extract")
    assert artefact.place == folder() / "10-100-of-theirs" / "own.pth"
    assert locate("0" * 64) is None, "it is not every file"
    assert recipe.fetch(FetchOptions(artefact.name)) == artefact.place
    assert hashlib.sha256(b"weights").hexdigest() in capsys.readouterr().out


def test_a_page_in_place_of_a_file_is_not_taken(tmp_path: Path) -> None:
    page = tmp_path / "sign-in.html"
    page.write_text("<html>")
    note(made(page, sha256="", sources=(page.as_uri(),)))
    with pytest.raises(MissingPiece, match="No source answers"):
        recipe.fetch(FetchOptions("own"))


def test_weights_are_required_by_their_hash(tmp_path: Path) -> None:
    assert require_weights("patches", "none") is None
    assert require_weights("world", manifest()["world"].sha256) == manifest()["world"].find()
    for kind, told in (("onnx", "the .onnx file and its .json"), ("transformers:detr", "model.safetensors")):
        with pytest.raises(
            MissingPiece, match=rf"made by '{kind}', whose weights are not here[\s\S]*{'0' * 64}[\s\S]*{told}"
        ):
            require_weights(kind, "0" * 64)
    with pytest.raises(MissingPiece, match=r"resnet50-11ad3fa6\.pth"):
        require_weights("grid:torchvision:resnet50", "11ad3fa6" + "0" * 56)
    place = place_of("ab" * 32)
    place.mkdir(parents=True)
    (place / "config.json").touch()
    assert require_weights("transformers:detr", "ab" * 32) == place


def test_what_pytorch_fetched_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    artefact = manifest()[f"{TORCHVISION}resnet50 IMAGENET1K_V2"]
    assert artefact.find() is None
    file = tmp_path / "hub" / "checkpoints" / artefact.file
    file.parent.mkdir(parents=True)
    file.touch()
    assert artefact.find() == file


def test_the_hash_of_a_file_and_of_several(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    assert digest([one]) == hashlib.sha256(b"1").hexdigest()
    both = f"{digest([one])}  one\n{digest([two])}  two\n"
    assert digest([two, one]) == digest([one, two]) == hashlib.sha256(both.encode()).hexdigest()


def test_what_is_kept_is_found_by_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "own.pth"
    file.write_bytes(b"weights")
    kept = keep(file, "own", "MIT")
    assert kept == keep(file, "own", "MIT") == manifest()["own"]
    assert file.is_file()
    assert locate(kept.sha256) == kept.place == place_of(kept.sha256) / "own.pth"
    assert locate("0" * 64) is None
    other = tmp_path / "other"
    other.write_bytes(b"other")
    place = place_of(digest([other]))
    place.mkdir()
    other.rename(place / "other")
    assert locate(digest([place / "other"])) == place / "other"


def test_a_missing_one_is_named_with_its_hash_and_its_place() -> None:
    artefact = made(
        Path("own.pth"), sources=("https://example.org/own.pth", "python:some_package/own.pth"), size=5_000_000
    )
    with pytest.raises(MissingPiece) as missing:
        artefact.require("extract")
    for told in ("extract needs own", artefact.sha256, "5.0 MB", "MIT", "example.org", "pip install some-package"):
        assert told in str(missing.value)
    assert str(artefact.place) in str(missing.value)


def test_a_source_may_be_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "own.pth").write_bytes(b"weights")
    artefact = made(Path("own.pth"), sources=("python:some_package/own.pth",))
    assert artefact.find() is None
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert artefact.find() == package / "own.pth"


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.pth"
    file.write_bytes(b"weights")
    verify(file, made(file))
    verify(file, made(file, sha256=made(file).sha256[:8]))
    with pytest.raises(DataError, match="is not own"):
        verify(file, made(file, b"others"))


def test_a_damaged_manifest_is_named() -> None:
    note()
    (folder() / "manifest.json").write_text("[", "utf-8")
    with pytest.raises(DataError, match="not JSON"):
        manifest()
    (folder() / "manifest.json").write_text('[{"name": "own", "sources": []}]', "utf-8")
    with pytest.raises(DataError, match="an entry has name, file"):
        manifest()


def test_fetching(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "there" / "own.pth"
    source.parent.mkdir()
    source.write_bytes(b"weights")
    gone = (tmp_path / "gone").as_uri()
    good = made(source, sources=(gone, source.as_uri()))
    bad = made(source, b"others", name="bad", sources=(source.as_uri(),))
    lost = made(source, b"lost", name="lost", sources=(gone, "http://127.0.0.1:9/own.pth", "no address"))
    note(good, bad, lost)
    assert recipe.fetch(FetchOptions("own")) == good.place
    assert good.place.read_bytes() == b"weights"
    source.unlink()
    assert recipe.fetch(FetchOptions("own")) == good.place
    source.write_bytes(b"weights")
    with pytest.raises(DataError, match="is not bad"):
        recipe.fetch(FetchOptions("bad"))
    with pytest.raises(MissingPiece, match="No source answers"):
        recipe.fetch(FetchOptions("lost"))
    assert not [file for file in folder().rglob("*") if file.is_file() and file.name.startswith(".")]
    with pytest.raises(ConfigError, match="no artefact is called 'nothing'"):
        recipe.fetch(FetchOptions("nothing"))
    recipe.run(ArtefactsOptions())
    assert "lost" in capsys.readouterr().out


def test_a_source_that_never_answers_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    def hang(url: str, timeout: float) -> object:
        waited.append(timeout)
        time.sleep(1)
        raise OSError

    monkeypatch.setattr("urllib.request.urlopen", hang)
    monkeypatch.setattr(recipe, "PATIENCE", 0.01)
    note(made(tmp_path / "own.pth", sources=("https://example.org/own.pth",)))
    with pytest.raises(MissingPiece):
        recipe.fetch(FetchOptions("own"))
    assert waited == [0.01]


def test_keeping_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "own.pth"
    file.write_bytes(b"weights")
    kept = recipe.keep_file(KeepOptions(file, licence="MIT"))
    assert (kept.name, kept.licence, manifest()["own"]) == ("own", "MIT", kept)
    with pytest.raises(MissingPiece):
        recipe.keep_file(KeepOptions(tmp_path / "gone"))
