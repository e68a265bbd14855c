from __future__ import annotations

import subprocess
import sys

import numpy as np

from iconotext.core.machine import available_cores, peak_memory

MEGABYTE = 2**20


def test_the_peak_stays_after_the_memory_is_given_back() -> None:
    before = peak_memory()
    block = np.ones(before + 64 * MEGABYTE, np.uint8)
    held = block.nbytes
    del block
    assert peak_memory() >= held


def test_the_peak_is_that_of_the_process_and_not_of_its_parent() -> None:
    block = np.ones(1024 * MEGABYTE, np.uint8)
    code = "from iconotext.core.machine import peak_memory; print(peak_memory())"
    own = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0 < own < block.nbytes <= peak_memory()


def test_there_is_a_core() -> None:
    assert available_cores() >= 1
