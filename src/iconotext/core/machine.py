"""What a run was made on."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import torch


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory() -> int:
    """The most bytes that this process has held so far.

    Linux says it of the process alone; what ``getrusage`` says begins there with the memory of the one that started it.
    """
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    own = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    unit = 1 if sys.platform == "darwin" else 1024
    return own[0] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def machine() -> str:
    """This machine in words."""
    cores = available_cores()
    parts = [f"{cores} core{'s' if cores != 1 else ''} of {_processor()}"]
    if torch.cuda.is_available():
        parts.insert(0, torch.cuda.get_device_name(0))
    return " with ".join(parts)


def versions() -> dict[str, str]:
    """The versions that decide what a run does."""
    return {"iconotext": version("iconotext"), "torch": torch.__version__, "python": platform.python_version()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine() or "an unknown processor"
