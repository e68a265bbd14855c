"""What `iconotext plan` predicts against what `iconotext extract` takes: time, disk, memory.

    python bench/plan.py [--data DIR] [--rounds 5] [--detectors world grid] [--workers 0] [--clock wall]

Rounds of a plan and the extraction itself alternate. Without --data the small world is drawn first. The time is that of the
whole command, from its start to its end; the memory the most that the process held. --clock cpu counts the seconds of the
processor in place of the clock's in both, which on a machine that others use as well is the better comparison, with
--workers 1. The goal is a ratio between 0.8 and 1.2.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAN = """
import json, os, sys, types
from dataclasses import asdict
from pathlib import Path
from iconotext.recipes import plan
from iconotext.recipes.flags import PlanOptions
if sys.argv[4] == "cpu":
    plan.time = types.SimpleNamespace(perf_counter=lambda: sum(os.times()[:4]))
found = plan.run(PlanOptions(Path(sys.argv[1]), detector=sys.argv[2], workers=int(sys.argv[3])))
print(json.dumps(asdict(found)))
"""


def planned(data: Path, detector: str, workers: int, clock: str) -> dict[str, float]:
    """What the plan says."""
    command = [sys.executable, "-c", PLAN, str(data), detector, str(workers), clock]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def taken(data: Path, detector: str, workers: int, clock: str, store: Path) -> dict[str, float]:
    """What the extraction takes."""
    command = [sys.executable, "-m", "iconotext", "extract", str(data), str(store), "--detector", detector]
    begun = time.perf_counter()
    child = subprocess.Popen([*command, "--workers", str(workers)], stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    wall = time.perf_counter() - begun
    disk = sum(file.stat().st_size for file in store.iterdir())
    seconds = used.ru_utime + used.ru_stime if clock == "cpu" else wall
    return {"seconds": seconds, "disk": disk, "memory": used.ru_maxrss * 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--detectors", nargs="+", default=["world", "grid"])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = asked.data or Path(folder) / "world"
        if asked.data is None:
            world = [sys.executable, "-m", "iconotext", "world", str(data), "--size", "small"]
            subprocess.run(world, check=True, stderr=subprocess.DEVNULL)
        for detector in asked.detectors:
            ratios: dict[str, list[float]] = {"seconds": [], "disk": [], "memory": []}
            for number in range(asked.rounds):
                said = planned(data, detector, asked.workers, asked.clock)
                true = taken(data, detector, asked.workers, asked.clock, Path(folder) / f"{detector}-{number}")
                for name, found in ratios.items():
                    found.append(said[name] / true[name])
                told = ", ".join(
                    f"{name} {said[name]:,.0f} / {true[name]:,.0f} = {r[-1]:.2f}" for name, r in ratios.items()
                )
                print(f"{detector}, {said['pictures']:,.0f} pictures: {told}", flush=True)
            medians = ", ".join(f"{name} {statistics.median(found):.2f}" for name, found in ratios.items())
            within = sum(abs(ratio - 1) <= 0.2 for ratio in ratios["seconds"])
            print(f"{detector}: medians {medians}; time within 20 % in {within} of {asked.rounds}", flush=True)


if __name__ == "__main__":
    main()
