"""Which numbers a run computes in: bf16 where the hardware gains from it, fp32 elsewhere and on demand."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import torch

from iconotext.train.config import Precision

GAIN = 1.2
"""bf16 must be this much faster than fp32 on a CPU before ``auto`` takes it."""


def choose(wanted: Precision, device: torch.device) -> tuple[Precision, str]:
    """``bf16`` or ``fp32`` for this device, and why, in words.

    A GPU of compute capability 8 or more has bf16 tensor cores. Of CPUs the flags tell too little (avx512_bf16 may or
    may not pay), so one matrix product is timed in both, for a few milliseconds.
    """
    if wanted != "auto":
        return wanted, f"{wanted}, as asked for"
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return ("bf16" if major >= 8 else "fp32"), f"GPU of compute capability {major}.{minor}"
    if device.type == "cpu":
        gain = _product_seconds(torch.float32) / _product_seconds(torch.bfloat16)
        return (
            "bf16" if gain >= GAIN else "fp32"
        ), f"a bf16 product has {gain:.1f} times the speed of an fp32 one here"
    return "fp32", f"bf16 is not tried on {device.type}"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a model and its losses run."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def _product_seconds(dtype: torch.dtype) -> float:
    a, b = torch.ones(256, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype)
    best = float("inf")
    for _ in range(8):
        begin = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - begin)
    return best
