"""Heads and what they read; what the pages of systems are written with."""

from iconotext.heads.answer import AnswerHeadKind
from iconotext.heads.pool import Concat, FirstToken, Product
from iconotext.heads.tasks import Downstream, TaskHead

__all__ = [
    "AnswerHeadKind",
    "Concat",
    "Downstream",
    "FirstToken",
    "Product",
    "TaskHead",
]
