"""Weights and corpora that are not part of the package: what they are, where they come from, and where they lie.

A manifest names each by hash, size, licence and sources, as far as its publisher tells them. Its files lie in one folder, each
in a folder of its own that has the first eight digits of the hash as its name. Nothing is fetched unless a person asks for it,
so a command that lacks one says so at once, with or without a network: nothing here waits for PyTorch to be imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from iconotext.core.errors import DataError, MissingPiece
from iconotext.core.files import write_json

PYTHON = "python:"
"""What a source begins with that is a file of an installed package, ``python:package/path``."""
TORCHVISION = "torchvision:"
"""What an artefact's name begins with that torchvision publishes: ``torchvision:NETWORK WEIGHTS``."""
SHIPPED = ("artefacts.json", "torchvision.json")
"""The manifests in the package; the second says what torchvision says."""


@dataclass(frozen=True)
class Artefact:
    """A file by its hash.

    ``sha256`` may be the first digits alone where its publisher tells no more, and empty where it tells none. ``size`` is in
    bytes, 0 where it is not known. ``sources`` are URLs, or files of installed packages.
    """

    name: str
    file: str
    sha256: str
    size: int
    licence: str
    sources: tuple[str, ...]

    @property
    def place(self) -> Path:
        """Where it is looked for."""
        own = place_of(self.sha256) if self.sha256 else folder() / re.sub(r"\W+", "-", self.name)
        return own / self.file

    @property
    def about(self) -> str:
        """Size and licence in words."""
        return f"{f'{self.size / 1e6:.1f} MB' if self.size else 'size not known'}, {self.licence}"

    @property
    def hash(self) -> str:
        """The hash in words."""
        return self.sha256 or "not known: its publisher tells none"

    def find(self) -> Path | None:
        """Where it is: in its place, in an installed package, or among what PyTorch fetched."""
        packaged = [_in_package(source) for source in self.sources if source.startswith(PYTHON)]
        fetched = [_of_torch() / self.file] if self.name.startswith(TORCHVISION) else []
        return next((path for path in [self.place, *packaged, *fetched] if path is not None and path.is_file()), None)

    def require(self, asked_by: str) -> Path:
        """Where it is.

        Raises:
            MissingPiece: it is not here; the message names it, its hash, its sources and its place.
        """
        found = self.find()
        if found is None:
            sources = "".join(f"\n  from   {_said(source)}" for source in self.sources)
            raise MissingPiece(
                f"{asked_by} needs {self.name}, which is not here:\n  file   {self.file} ({self.about})\n"
                f"  sha256 {self.hash}{sources}\nPut it at {self.place}"
            )
        return found


def folder() -> Path:
    """The folder of all artefacts: $ICONOTEXT_ARTEFACTS, else ~/.cache/iconotext/artefacts."""
    named = os.environ.get("ICONOTEXT_ARTEFACTS")
    return Path(named) if named else Path.home() / ".cache" / "iconotext" / "artefacts"


def place_of(sha256: str) -> Path:
    """The folder of the artefact with this hash."""
    return folder() / sha256[:8]


def manifest() -> dict[str, Artefact]:
    """Every artefact that is named: in the package (of a network of torchvision the weights first that it takes by itself),
    and in ``manifest.json`` of the folder.

    Raises:
        DataError: the folder's manifest is damaged.
    """
    package = files("iconotext.core")
    entries = [e for file in SHIPPED for e in json.loads(package.joinpath(file).read_text("utf-8"))]
    own = folder() / "manifest.json"
    if own.is_file():
        try:
            entries += json.loads(own.read_text("utf-8"))
        except ValueError as error:
            raise DataError(f"{own} is not JSON: {error}") from error
    try:
        named = [Artefact(**{**entry, "sources": tuple(entry["sources"])}) for entry in entries]
    except (TypeError, KeyError) as error:
        raise DataError(f"{own}: an entry has name, file, sha256, size, licence and sources: {error}") from error
    return {artefact.name: artefact for artefact in named}


def locate(sha256: str) -> Path | None:
    """The file with this hash: one that a manifest names, or any in its place."""
    named = [a.find() for a in manifest().values() if a.sha256 and sha256.startswith(a.sha256)]
    there = [path for path in sorted(place_of(sha256).glob("[!.]*")) if path.is_file() and digest([path]) == sha256]
    return next((path for path in [*named, *there] if path is not None), None)


def require_weights(detector: str, sha256: str) -> Path | None:
    """The weights that made a detector's features: a file, or transformers' folder; None where there are none.

    Raises:
        MissingPiece: they are not here; the message names them, their hash, and where to put them.
    """
    if sha256 == "none":
        return None
    kind = detector.partition(":")[0]
    if kind == "transformers" and (place_of(sha256) / "config.json").is_file():
        return place_of(sha256)
    if (found := locate(sha256)) is not None:
        return found
    for artefact in manifest().values():
        if artefact.sha256 and sha256.startswith(artefact.sha256):
            return artefact.require(f"detector {detector!r}")
    several = {
        "transformers": "the detector's folder (config.json, preprocessor_config.json, model.safetensors)",
        "onnx": "the .onnx file and its .json",
    }
    raise MissingPiece(
        f"the features were made by {detector!r}, whose weights are not here:\n  sha256 {sha256}\n"
        f"Put {several.get(kind, 'the weights file')} into {place_of(sha256)}"
    )


def from_hub(repository: str, file: str) -> Path | None:
    """A file of the Hugging Face hub, if it was fetched before."""
    if find_spec("huggingface_hub") is None:
        return None
    found = import_module("huggingface_hub").try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None


def hub_is_empty() -> bool:
    """Whether nothing of the Hugging Face hub was ever fetched."""
    if find_spec("huggingface_hub") is None:
        return True
    return not any(Path(import_module("huggingface_hub.constants").HF_HUB_CACHE).glob("models--*"))


def hub_folder(name: str) -> Path:
    """The folder of a model of transformers: as given, or in the cache of the hub; nothing is fetched.

    Raises:
        MissingPiece: it is not here.
    """
    if Path(name).is_dir():
        return Path(name)
    found = from_hub(name, "config.json") if name.count("/") == 1 else None
    if found is None:
        raise MissingPiece(
            f"{name!r} is no folder here, and the hub's model of that name was not fetched; fetch it with "
            f"`hf download {name} --local-dir FOLDER` and give `--model FOLDER`"
        )
    return found.parent


def keep(path: Path, name: str, licence: str) -> Artefact:
    """Put a file into its place, by a hard link where that is possible, and note it in the folder's manifest."""
    found = Artefact(name, path.name, digest([path]), path.stat().st_size, licence, ())
    found.place.parent.mkdir(parents=True, exist_ok=True)
    if not found.place.is_file():
        aside = found.place.with_name(f".{path.name}.{os.getpid()}")
        try:
            os.link(path, aside)
        except OSError:
            aside.write_bytes(path.read_bytes())
        os.replace(aside, found.place)
    note = folder() / "manifest.json"
    others = json.loads(note.read_text("utf-8")) if note.is_file() else []
    write_json(note, [entry for entry in others if entry["name"] != name] + [asdict(found)])
    return found


def digest(paths: list[Path]) -> str:
    """The SHA-256 of a file, or of the list of the files' hashes and names where there are several."""
    hashes = []
    for path in sorted(paths):
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(hashes) == 1:
        return hashes[0]
    lines = "".join(f"{found}  {path.name}\n" for found, path in zip(hashes, sorted(paths)))
    return hashlib.sha256(lines.encode()).hexdigest()


def verify(path: Path, artefact: Artefact) -> None:
    """Refuse a file that is not the artefact; one whose hash is not known is taken as it is.

    Raises:
        DataError: its hash is another.
    """
    found = digest([path])
    if not found.startswith(artefact.sha256):
        raise DataError(f"{path} is not {artefact.name}: its SHA-256 is {found}, not {artefact.sha256}")


def _said(source: str) -> str:
    """A source as a person follows it."""
    package = source.removeprefix(PYTHON).partition("/")[0].replace("_", "-")
    return f"pip install {package}" if source.startswith(PYTHON) else source


def _of_torch() -> Path:
    """Where PyTorch keeps the weights that it fetched."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch") / "hub" / "checkpoints"


def _in_package(source: str) -> Path | None:
    package, _, inside = source.removeprefix(PYTHON).partition("/")
    spec = find_spec(package)
    return Path(spec.origin).parent / inside if spec is not None and spec.origin else None
