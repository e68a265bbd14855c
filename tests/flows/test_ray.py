"""Extraction by two workers of a Ray that is started here, one of which is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from iconotext.data.store import RegionStore

ROOT = Path(__file__).resolve().parents[2]

# A worker that begins the second shard ends at once, the first time: its machine is gone.
LOSES_ONE = """
import os, sys
from pathlib import Path
from iconotext.recipes import extract
from iconotext.recipes.extract import run
from iconotext.recipes.flags import ExtractOptions

store, mark = Path(sys.argv[2]), Path(sys.argv[2] + ".lost")
extract.SHARD = 8

class Worker(extract._RayWorker):
    def __call__(self, index):
        if index == 1 and not mark.exists():
            mark.touch()
            os._exit(1)
        return super().__call__(index)

if __name__ == "__main__":
    extract._RayWorker = Worker
    data = Path(sys.argv[1])
    run(ExtractOptions(data, store, detector="patches", device="cpu", engine=sys.argv[3], workers=1, ray_workers=2))
"""


def extracted(data: Path, store: Path, engine: str) -> dict[str, bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_ADDRESS": "local", "RAY_USAGE_STATS_ENABLED": "0"}
    begun = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-c", LOSES_ONE, str(data), str(store), engine], env=environment, start_new_session=True
    )
    try:
        assert child.wait(timeout=400) == 0, f"after {time.monotonic() - begun:.0f} s"
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    return {file.name: file.read_bytes() for file in sorted(store.iterdir())}


def test_with_ray_as_without(tmp_path: Path) -> None:
    data = tmp_path / "data"
    subprocess.run(
        [sys.executable, "-m", "iconotext", "world", str(data), "--size", "tiny", "--languages", "en"], check=True
    )
    alone = extracted(data, tmp_path / "alone", "threads")
    together = extracted(data, tmp_path / "ray", "ray")
    assert together == alone
    assert (tmp_path / "ray.lost").exists()
    assert len(RegionStore.open(tmp_path / "ray")) == len(RegionStore.open(tmp_path / "alone")) > 8
