"""The whole extraction against the bare detector on pictures that already lie in memory, in the same run.

    python bench/extract.py [--data DIR] [--pictures 512] [--rounds 3] [--detector world] [--batch 32] [--workers 0]

"bare" hands pictures that were decoded and fitted before to the detector, in as many threads and in batches as large as
`iconotext extract` has. "extract" is the command itself without its start: files read, hashed, decoded and fitted, regions
found, shards written and synced to the disk. Rounds of both alternate, so what else the machine does hits both; the share is
that of the medians. The goal is at least 90 %. Without --data, pictures of the size of the world's (256x192, JPEG) are made of
coarse random patterns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from iconotext.core.machine import available_cores
from iconotext.core.seed import permutation
from iconotext.data.records import DataSet
from iconotext.recipes.extract import SHARD, begin_work, open_pictures
from iconotext.recipes.extraction import cut, one_thread_each
from iconotext.recipes.flags import ExtractOptions
from iconotext.regions.detections import Detector
from iconotext.regions.resize import Fitted
from regions import make_pictures


def bare(detector: Detector, fitted: list[Fitted], batch: int, threads: int) -> float:
    """Pictures a second."""
    parts = cut(fitted, batch)
    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        begun = time.perf_counter()
        list(pool.map(detector.detect, parts))
        return len(fitted) / (time.perf_counter() - begun)


def whole(options: ExtractOptions, ids: list[str], threads: int, folder: Path) -> float:
    """Pictures a second."""
    with tempfile.TemporaryDirectory(dir=folder) as store:
        work, writer = begin_work(replace(options, store=Path(store) / "store"), SHARD)
        mine = replace(work, shards=cut(ids, SHARD))
        begun = time.perf_counter()
        work.pictures.duplicates(ids, threads)
        mine.write(writer, range(len(mine.shards)), options.batch, threads, lambda _: None)
        writer.finish()
        return len(ids) / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="a data set; its pictures are drawn at random")
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detector", default="world")
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=None, help="where the stores are written")
    asked = parser.parse_args()
    threads = asked.workers or available_cores()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        data = DataSet.open(asked.data) if asked.data else make_pictures(Path(folder) / "data", asked.pictures)
        options = ExtractOptions(
            data.path, Path(), detector=asked.detector, weights=asked.weights, batch=asked.batch, device=asked.device
        )
        pictures, detector = open_pictures(options)
        ids = [pictures.ids[place] for place in sorted(permutation(len(pictures.ids), "bench")[: asked.pictures])]
        given = pictures.given or {}
        fitted = [detector.fit(np.asarray(data.image(i)), given.get(i)) for i in ids]
        bare(detector, fitted[: 2 * threads], 1, threads)
        speeds: dict[str, list[float]] = {"bare": [], "extract": []}
        for number in range(asked.rounds):
            speeds["bare"].append(bare(detector, fitted, asked.batch, threads))
            speeds["extract"].append(whole(options, ids, threads, Path(folder)))
            print(f"round {number}: " + ", ".join(f"{n} {s[-1]:.1f}" for n, s in speeds.items()), flush=True)
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    for name, median in medians.items():
        print(f"{name:<8} {median:7.1f} pictures/s")
    print(f"share    {medians['extract'] / medians['bare']:7.1%}  ({len(ids)} pictures, {threads} threads)")


if __name__ == "__main__":
    main()
