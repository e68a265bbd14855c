"""Published checkpoints to ours."""

from __future__ import annotations

from iconotext.convert import bert, lxmert, twelve_in_one, unimo, uniter, vilbert, vilt, visualbert, vl_bert, vlp, volta
from iconotext.convert.carry import Carried
from iconotext.convert.checkpoint import convert, recognise
from iconotext.convert.rules import Release

RELEASES: dict[str, Release] = {
    release.name: release
    for release in (
        bert.RELEASE,
        lxmert.RELEASE,
        lxmert.HF,
        visualbert.RELEASE,
        visualbert.TRANSFORMERS_RELEASE,
        vl_bert.RELEASE,
        vlp.RELEASE,
        unimo.RELEASE,
        uniter.RELEASE,
        vilbert.RELEASE,
        twelve_in_one.RELEASE,
        *volta.RELEASES,
        vilt.RELEASE,
    )
}

__all__ = ["RELEASES", "Carried", "Release", "convert", "recognise"]
