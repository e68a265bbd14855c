"""Readers of region features that others extracted, one file a format; a source is opened by ``open_features``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iconotext.core.errors import ConfigError, DataError
from iconotext.data.features import (
    butd_h5,
    butd_tsv,
    hf_lxmert,
    lmdb_records,
    mmf_npy,
    uniter,
    uniter_text,
    vlbert,
    vlp,
    volta,
)
from iconotext.data.features.record import Entry, Reading, Record, Size, Source

__all__ = ["FORMATS", "TEXTS", "Entry", "Reading", "Record", "Size", "Source", "format_of", "open_features"]


@dataclass(frozen=True)
class Format:
    """A format: how a path is told to be of it, how it is opened, what it is, and whether a path may be a prefix of files."""

    recognises: Callable[[Path], bool]
    open: Callable[[Path, Reading], Source]
    about: str
    prefix: bool = False


FORMATS: dict[str, Format] = {
    "butd_tsv": Format(butd_tsv.recognises, butd_tsv.open_source, "TSV of bottom-up attention, LXMERT, ViLBERT, VOLTA"),
    "butd_h5": Format(butd_h5.recognises, butd_h5.open_source, "HDF5 of bottom-up-attention-vqa with its index"),
    "vlp_h5": Format(vlp.recognises, vlp.open_source, "HDF5 shards or .npy files of Unified VLP", prefix=True),
    "volta": Format(volta.recognises, volta.open_source, "HDF5 or LMDB of VOLTA"),
    "uniter_imgdb": Format(uniter.recognises, uniter.open_source, "image LMDB of UNITER"),
    "vilbert_lmdb": Format(lmdb_records.recognises, lmdb_records.open_source, "LMDB of ViLBERT and 12-in-1"),
    "mmf_lmdb": Format(lmdb_records.recognises, lmdb_records.open_source, "LMDB of MMF"),
    "hf_lxmert": Format(hf_lxmert.recognises, hf_lxmert.open_source, ".pt, .npz or Arrow of Hugging Face's LXMERT"),
    "uniter_npz": Format(uniter.recognises_npz, uniter.open_npz, ".npz files of UNITER"),
    "mmf_npy": Format(mmf_npy.recognises, mmf_npy.open_source, ".npy files of MMF"),
    "vlbert": Format(vlbert.recognises, vlbert.open_source, "zips or folders of VL-BERT's JSON files"),
}
"""The formats by name, in the order in which a path is tried."""


TEXTS = "uniter_txtdb"
"""The one format that holds texts and no features; ``uniter_text`` reads it."""


def format_of(path: Path) -> str:
    """The format of a path, from its content.

    Raises:
        DataError: nothing in it that any format knows.
    """
    if uniter_text.recognises(path):
        return TEXTS
    for name, kind in FORMATS.items():
        if kind.recognises(path):
            return name
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    raise DataError(f"{path}: no known format of features, or a damaged file. --format is one of {', '.join(FORMATS)}")


def open_features(path: Path, kind: str = "auto", reading: Reading | None = None) -> Source:
    """Open features of any known format; "auto" tells it from the content.

    Raises:
        UnsafeData: the source asks for code to be run.
        DataError: it is not there, of no known or another format, or damaged.
        ConfigError: there is no such format, or the format needs more to be said.
    """
    if kind != "auto" and kind not in FORMATS:
        raise ConfigError(f"no format is called {kind!r}; there are auto, {', '.join(FORMATS)}")
    name = format_of(path) if kind == "auto" else kind
    if name == TEXTS:
        raise DataError(f"{path} is a text database of UNITER, which holds texts and no features")
    if not path.exists() and not FORMATS[name].prefix:
        raise DataError(f"{path}: there is no such file or folder")
    return FORMATS[name].open(path, reading or Reading())
