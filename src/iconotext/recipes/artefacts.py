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

from iconotext.core.artefacts import PYTHON, TORCHVISION, Artefact, digest, keep, manifest, verify
from iconotext.core.errors import ConfigError, MissingPiece

PATIENCE = 1.5
"""Seconds until a source has to answer."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class ArtefactsOptions:
    """List weights and corpora by name, with size, licence and hash, and whether they are here.

    They lie in $ICONOTEXT_ARTEFACTS, else in ~/.cache/iconotext/artefacts; manifest.json there adds your own to the list.
    """

    name: Positional[str] = ""
    """List those whose names hold this, such as resnet; without it all but torchvision's, which are many."""


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
    """Fetch an artefact from the first of its sources that answers; a file with another hash is thrown away.

    Of some files no hash was ever published: what comes is taken as it is, and its hash told.
    """

    name: Positional[str]
    """A name of the list."""


def run(options: ArtefactsOptions) -> None:
    """Prints the list."""
    console = Console(highlight=False, soft_wrap=True)
    wanted = [a for a in manifest().values() if options.name in a.name]
    shown = [a for a in wanted if options.name or not a.name.startswith(TORCHVISION)]
    for artefact in shown:
        found = artefact.find()
        where = f"here: {found}" if found else f"not here; its place is {artefact.place}"
        console.print(f"[bold]{escape(artefact.name)}[/bold]  {escape(artefact.about)}")
        console.print(f"  sha256 {artefact.hash}\n  {escape(where)}")
    if len(shown) < len(wanted):
        console.print(f"and {len(wanted) - len(shown)} of torchvision: iconotext artefacts torchvision")


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
        raise ConfigError(f"no artefact is called {options.name!r}: `iconotext artefacts` lists them")
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
    said = "" if artefact.sha256 else f"\nIts hash cannot be compared with any; it is {digest([artefact.place])}"
    Console(soft_wrap=True, highlight=False).print(f"{artefact.place}{said}")
    return artefact.place


def _copy(url: str, file: Path) -> bool:
    """Whether the source answered and its file was written."""
    pool = ThreadPoolExecutor(1)
    try:
        # Looking up a name has no time limit of its own, so it is waited for from outside.
        answer = pool.submit(urllib.request.urlopen, url, timeout=PATIENCE).result(PATIENCE)
        if answer.headers.get_content_type() == "text/html":  # A page to sign in at, or one that says it is gone.
            return False
        with answer, file.open("wb") as out:
            while chunk := answer.read(CHUNK):
                out.write(chunk)
    except (OSError, Late, ValueError):
        return False
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return True
