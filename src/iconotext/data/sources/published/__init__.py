"""Published corpora in the files that their authors give out: one reader each, exact, and what each brings to a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from iconotext.data.sources.published import (
    coco,
    conceptual,
    flickr30k,
    flickr30k_entities,
    gqa,
    karpathy,
    nlvr2,
    refcoco,
    snli_ve,
    vcr,
    vqa,
)
from iconotext.data.sources.published.corpus import Corpus

__all__ = ["FORMATS", "Corpus"]

FORMATS: Mapping[str, Callable[[Path], Corpus]] = MappingProxyType(
    {
        "coco_captions": coco.bring_captions,
        "coco_instances": coco.bring_instances,
        "coco_karpathy": karpathy.bring,
        "conceptual_captions": conceptual.bring,
        "flickr30k": flickr30k.bring,
        "flickr30k_entities": flickr30k_entities.bring,
        "gqa": gqa.bring,
        "nlvr2": nlvr2.bring,
        "refcoco": refcoco.bring,
        "snli_ve": snli_ve.bring,
        "vcr": vcr.bring,
        "vqa": vqa.bring,
    }
)
"""What ``iconotext ingest --format`` understands: from the folder of the annotations, or one file, to pictures and rows."""
