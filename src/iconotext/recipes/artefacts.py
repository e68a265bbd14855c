"""``iconotext artefacts``: what is known by hash, what of it is here, and how the rest gets here."""

from __future__ import annotations

import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from tyro.conf import Positional

from iconotext.core.artefacts import PYTHON, Artefact, keep, manifest, verify
from iconotext.core.errors import ConfigError, MissingPiece

PATIENCE = 1.5
"""Seconds until a source has to answer."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class ArtefactsOptions:
    """List weights and corpora by name, with size, licence and hash, and whether they are here.

    They lie in $ICONOTEXT_ARTEFACTS, else in ~/.cache/iconotext/artefacts; manifest.json there adds your own to the list.
    """


@dataclass(frozen=True)
class KeepOptions:
    """Put a file into the folder of artefacts and note it in the folder's manifest.

    A model whose features were made with these weights finds them there by their hash.
    """

    file: Positional[Path]
    """The file; it stays where it is as well."""
    name: str = ""
    """What to call it; empty takes the file's name."""
    licence: str = "unknown"
    """Its licence."""


@dataclass(frozen=True)
class FetchOptions:
    """Fetch an artefact from the first of its sources that answers; a file with another hash is thrown away."""

    name: Positional[str]
    """A name of the list."""


def run(options: ArtefactsOptions) -> None:
    """Prints the list."""
    console = Console(highlight=False, soft_wrap=True)
    for artefact in manifest().values():
        found = artefact.find()
        where = f"here: {found}" if found else f"not here; its place is {artefact.place}"
        console.print(f"[bold]{escape(artefact.name)}[/bold]  {artefact.size / 1e6:.1f} MB, {escape(artefact.licence)}")
        console.print(f"  sha256 {artefact.sha256}\n  {escape(where)}")


def keep_file(options: KeepOptions) -> Artefact:
    """Keeps the file and returns what is noted of it.

    Raises:
        MissingPiece: there is no such file.
    """
    if not options.file.is_file():
        raise MissingPiece(f"{options.file}: no such file")
    found = keep(options.file, options.name or options.file.stem, options.licence)
    Console(soft_wrap=True).print(f"{found.name}: {found.sha256}\n{found.place}")
    return found


def fetch(options: FetchOptions) -> Path:
    """Fetches it, unless it is here, and returns where it is.

    Raises:
        ConfigError: nothing is called so.
        MissingPiece: no source answers; the message says what is missing, its hash, and where to put it.
        DataError: what came has another hash.
    """
    known = manifest()
    if options.name not in known:
        raise ConfigError(f"no artefact is called {options.name!r}; there are {', '.join(known)}")
    artefact = known[options.name]
    if (found := artefact.find()) is not None:
        return found
    artefact.place.parent.mkdir(parents=True, exist_ok=True)
    aside = artefact.place.with_name(f".{artefact.file}.{os.getpid()}")
    urls = [source for source in artefact.sources if not source.startswith(PYTHON)]
    try:
        if not any(_copy(url, aside) for url in urls):
            return artefact.require("No source answers; fetch")
        verify(aside, artefact)
        os.replace(aside, artefact.place)
    finally:
        aside.unlink(missing_ok=True)
    Console(soft_wrap=True).print(str(artefact.place))
    return artefact.place


def _copy(url: str, file: Path) -> bool:
    """Whether the source answered and its file was written."""
    pool = ThreadPoolExecutor(1)
    try:
        # Looking up a name has no time limit of its own, so it is waited for from outside.
        answer = pool.submit(urllib.request.urlopen, url, timeout=PATIENCE).result(PATIENCE)
        with answer, file.open("wb") as out:
            while chunk := answer.read(CHUNK):
                out.write(chunk)
    except (OSError, Late, ValueError):
        return False
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return True
