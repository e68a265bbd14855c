"""Pictures a second of each detector: alone on one core, and as `iconotext extract` on all cores.

    python bench/regions.py [--pictures 512] [--weights FILE]

"detect" is the detector alone in one thread: from RGB pixels to regions with features, class probabilities and attributes.
"extract" is the whole way on all cores: JPEGs of 256x192 decoded, regions found, the store written. The goal is that extract
reaches at least 50 pictures a second on two cores with the detector of the world.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from iconotext.core.seed import generator
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.recipes.extract import run
from iconotext.recipes.flags import ExtractOptions
from iconotext.regions import DetectorOptions, fit, open_detector

BOXES = [[20.0, 20, 90, 80], [120, 10, 160, 60], [100, 100, 180, 180], [10, 110, 60, 150], [190, 60, 240, 120]]


def make_pictures(folder: Path, count: int) -> DataSet:
    """A data set of coarse random patterns with five boxes each; what is in a picture hardly changes the time."""
    writer = DataSetWriter(folder, "patterns", {"command": "bench/regions.py"}, ["en"])
    ids, files = [f"p{i}" for i in range(count)], []
    for name in ids:
        out = io.BytesIO()
        coarse = generator("bench", name).integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(coarse).resize((256, 192)).save(out, "JPEG", quality=88)
        files.append({"bytes": out.getvalue(), "path": f"{name}.jpg"})
    columns = {"image_id": ids, "image": files, "width": [256] * count, "height": [192] * count}
    writer.write("images", "train", 0, columns)
    labels = {"classes": [[0] * 5] * count, "colours": [[0] * 5] * count, "sizes": [["big"] * 5] * count}
    writer.write("objects", "train", 0, {"image_id": ids, "boxes": [BOXES] * count, **labels})
    return writer.finish()


def alone(name: str, data: DataSet, ids: list[str], options: DetectorOptions) -> float:
    """Pictures a second of the detector in one thread, decoding apart."""
    torch.set_num_threads(1)
    detector = open_detector(name, options)
    pictures = [fit(np.asarray(data.image(i)), np.array(BOXES, np.float32)) for i in ids]
    detector.detect(pictures[:4])
    begin = time.perf_counter()
    detector.detect(pictures)
    return len(pictures) / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--weights", type=Path, default=None)
    arguments = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, {arguments.pictures} pictures of 256x192, pictures a second")
    print(f"{'detector':<10}{'detect, 1 core':>16}{'extract':>10}")
    with tempfile.TemporaryDirectory() as folder:
        data = make_pictures(Path(folder) / "data", arguments.pictures)
        ids = data.image_ids("train")
        for name in ("world", "grid", "boxes"):
            single = alone(name, data, ids[:128], DetectorOptions(weights=arguments.weights, device="cpu"))
            begin = time.perf_counter()
            run(ExtractOptions(data.path, Path(folder) / name, detector=name, weights=arguments.weights, device="cpu"))
            whole = len(ids) / (time.perf_counter() - begin)
            print(f"{name:<10}{single:>16.0f}{whole:>10.0f}")


if __name__ == "__main__":
    main()
