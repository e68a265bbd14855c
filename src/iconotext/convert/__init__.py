"""Published checkpoints to ours."""

from __future__ import annotations

from iconotext.convert import uniter, vilbert
from iconotext.convert.carry import Carried
from iconotext.convert.checkpoint import convert, recognise
from iconotext.convert.rules import Release

RELEASES: dict[str, Release] = {release.name: release for release in (uniter.RELEASE, vilbert.RELEASE)}

__all__ = ["RELEASES", "Carried", "Release", "convert", "recognise"]
