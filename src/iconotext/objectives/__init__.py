"""Pre-training objectives and how they combine; what the pages of systems are written with."""

from iconotext.objectives.alone import TextAlone
from iconotext.objectives.base import Negatives, Rewrites
from iconotext.objectives.caption import CaptionMLM
from iconotext.objectives.contrastive import Contrastive, CrossModalContrastive
from iconotext.objectives.iqa import IQA
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import OneAtATime, Phases, Together
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.nsp import NSP
from iconotext.objectives.wra import WRA

__all__ = [
    "IQA",
    "ITM",
    "MLM",
    "MRC",
    "MRFR",
    "NSP",
    "WRA",
    "CaptionMLM",
    "Contrastive",
    "CrossModalContrastive",
    "Negatives",
    "OneAtATime",
    "Phases",
    "RegionMasks",
    "Rewrites",
    "TextAlone",
    "Together",
]
