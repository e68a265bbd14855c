"""Random batches out of a region store against a raw NumPy memory map of the same bytes.

    python bench/store.py [--batches 300] [--folder DIR]
    python bench/store.py --many 50000 [--workers 4] [--batches 300] [--folder DIR]

Writes, in a temporary folder that is deleted afterwards, a region store of more than a gigabyte and the same records as one
flat file, then reads random batches of 64 records from both in turn. "raw" is NumPy's fastest way to a batch: fancy indexing
of records of one length, which neither looks ids up nor allows for images with more or fewer regions nor parts the columns;
where records differ in length it copies each as one slice into one array. Both files lie in the page cache, and times are CPU
times of the one thread that reads, so other programs on the machine do not count. The goal is that ``gather`` reaches at
least 70 % of raw. Reached on one of two shared cores of an AMD EPYC while
other programs (load 6-12) fought for caches and memory, medians of twelve runs: 78 % for 36 regions with 1,601 class
probabilities (67-81), 69 % without (57-78), 83 % for 10-36 regions (69-90); of the least disturbed tenth of the batches 77-81,
75-77 and 74-85 %. The rest goes to the cache misses of four small columns, which the raw record holds beside its features,
and to allocating.

--many writes instead a store of so many pictures of 36 regions (7.5 GB for 50,000), and tells how fast it is written, how large
it is against its features alone, how long a new process takes to open it, and what --workers processes gain in resident memory
that each read --batches random batches. The goals are a size of at most 1.05, less than a second, and less than 1 GB together.
Reached with 200,000 pictures on 2 cores: 1.007, 0.4 s, 0.31 GB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np

from iconotext.core.fingerprint import Fingerprint
from iconotext.data.store import ImageRegions, PackedRegions, RegionStore, StoreWriter

BATCH = 64
SHARD = 512
DIM = 2048
CASES = (
    ("36 regions, 1,601 class probabilities", 36, 36, 1601, 5000),
    ("36 regions, no class probabilities", 36, 36, 0, 8000),
    ("10-36 regions, 1,601 class probabilities", 10, 36, 1601, 8000),
)
"""What is in the store: a name, the least and the most regions, classes, images; each more than a gigabyte."""
COLUMNS = ("boxes", "scores", "features", "class_probs", "attributes", "attribute_scores")


def make(folder: Path, least: int, most: int, classes: int, images: int) -> tuple[RegionStore, np.ndarray, np.ndarray]:
    """A store, the same bytes as a flat memory map, and where each record begins in it."""
    random = np.random.default_rng(0)
    fingerprint = Fingerprint("bench", "none", "pool", "none", "RGB", "36", "float16", DIM, classes, 0)
    writer = StoreWriter(folder / "store", fingerprint, [], [])
    pool = random.standard_normal((4096, DIM)).astype(np.float16)
    places = [0]
    with (folder / "raw.bin").open("wb") as raw:
        for index, first in enumerate(range(0, images, SHARD)):
            rows = []
            for number in range(first, min(first + SHARD, images)):
                count = int(random.integers(least, most + 1))
                rows.append(
                    ImageRegions(
                        image_id=f"image-{number:08d}",
                        size=(640, 480),
                        boxes=random.random((count, 4), np.float32),
                        scores=random.random(count, np.float32),
                        features=pool[random.integers(0, len(pool), count)],
                        class_probs=pool[random.integers(0, len(pool), count), :classes],
                        attributes=np.full(count, -1, np.int32),
                        attribute_scores=np.zeros(count, np.float32),
                    )
                )
                places.append(places[-1] + sum(raw.write(getattr(rows[-1], name).tobytes()) for name in COLUMNS))
            writer.write_shard(index, rows)
    return writer.finish(), np.memmap(folder / "raw.bin", np.uint8, "r"), np.array(places)


def seconds(read: Callable[[np.ndarray, list[str]], object], rows: np.ndarray, ids: list[str]) -> float:
    begun = time.thread_time()
    read(rows, ids)
    return time.thread_time() - begun


def measure(folder: Path, name: str, content: tuple[int, int, int, int], batches: int) -> None:
    """Print the medians of both ways and the share that the store reaches."""
    store, raw, places = make(folder, *content)
    least, most, _, images = content
    records = raw.reshape(images, -1) if least == most else None

    def gather(rows: np.ndarray, ids: list[str]) -> PackedRegions:
        return store.gather(ids)

    def direct(rows: np.ndarray, ids: list[str]) -> np.ndarray:
        if records is not None:
            return np.asarray(records[rows])
        ends = np.cumsum(places[rows + 1] - places[rows])
        out = np.empty(ends[-1], np.uint8)
        for end, begin, stop in zip(ends.tolist(), places[rows].tolist(), places[rows + 1].tolist()):
            out[end - (stop - begin) : end] = raw[begin:stop]
        return out

    check = np.arange(3)
    packed, flat = gather(check, store.ids[:3]), np.concatenate([raw[places[row] : places[row + 1]] for row in check])
    assert sum(getattr(packed, f.name).nbytes for f in fields(packed) if f.name in COLUMNS) == flat.nbytes
    assert np.array_equal(direct(check, []).reshape(-1), flat)
    for warm in (np.arange(first, min(first + BATCH, images)) for first in range(0, images, BATCH)):
        (
            gather(warm, [store.ids[row] for row in warm]),
            direct(warm, []),
        )  # Both files into the page cache, both mappings into the page table.
    random = np.random.default_rng(1)
    ways = {"store": gather, "raw": direct}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(batches):
        rows = random.integers(0, images, BATCH)
        ids = [store.ids[row] for row in rows]
        for way in list(ways) if number % 2 else list(ways)[::-1]:
            times[way].append(seconds(ways[way], rows, ids))
    medians = {way: statistics.median(taken) for way, taken in times.items()}
    size = int((places[1:] - places[:-1]).mean() * BATCH)
    print(f"{name}: {raw.nbytes / 1e9:.2f} GB, batches of {size / 1e6:.1f} MB")
    for way, median in medians.items():
        print(f"  {way:<6} {1e3 * median:7.3f} ms  {size / median / 1e9:6.2f} GB/s")
    calm = {way: float(np.quantile(taken, 0.1)) for way, taken in times.items()}
    shares = [each["raw"] / each["store"] for each in (medians, calm)]
    print(f"  share  {shares[0]:7.1%}, of the least disturbed tenth {shares[1]:.1%}", flush=True)


def resident() -> int:
    """Bytes of this process that lie in memory, those of mapped files included."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def read_at_random(
    path: Path, worker: int, batches: int, told: multiprocessing.Queue[tuple[float, int, float]]
) -> None:
    """Open the store and read; tells the seconds of opening, the most memory gained, and pictures a second."""
    before, begun = resident(), time.perf_counter()
    store = RegionStore.open(path)
    opening = time.perf_counter() - begun
    random = np.random.default_rng(worker)
    most, begun = 0, time.perf_counter()
    for _ in range(batches):
        packed = store.gather([store.ids[row] for row in random.integers(0, len(store), BATCH)])
        most = max(most, resident() - before)
        assert packed.features.shape == (36 * BATCH, DIM)
    told.put((opening, most, BATCH * batches / (time.perf_counter() - begun)))


def measure_many(folder: Path, pictures: int, workers: int, batches: int) -> None:
    """Print how a large store is written, opened and read by several processes."""
    random = np.random.default_rng(0)
    fingerprint = Fingerprint("bench", "none", "pool", "none", "RGB", "36", "float16", DIM, 0, 0)
    writer = StoreWriter(folder / "store", fingerprint, [], [])
    pool = random.standard_normal((4096, DIM)).astype(np.float16)
    rest = np.zeros((36, 4), np.float32), np.zeros(36, np.float32)
    none = np.zeros((36, 0), np.float16), np.full(36, -1, np.int32), np.zeros(36, np.float32)
    begun = time.perf_counter()
    for index, first in enumerate(range(0, pictures, SHARD)):
        numbers = range(first, min(first + SHARD, pictures))
        chosen = random.integers(0, len(pool), (len(numbers), 36))
        rows = [
            ImageRegions(f"image-{number:08d}", (640, 480), *rest, pool[which], *none)
            for number, which in zip(numbers, chosen)
        ]
        writer.write_shard(index, rows)
    writer.finish()
    seconds = time.perf_counter() - begun
    size = sum(file.stat().st_size for file in (folder / "store").iterdir())
    bare = pictures * 36 * DIM * 2
    print(
        f"{pictures:,} pictures, {size / 1e9:.2f} GB, {size / bare:.4f} of the features, {pictures / seconds:.0f} pictures/s"
    )
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[tuple[float, int, float]] = context.Queue()
    arguments = [(folder / "store", worker, batches, told) for worker in range(workers)]
    processes = [context.Process(target=read_at_random, args=each) for each in arguments]
    for process in processes:
        process.start()
    found = [told.get() for _ in processes]
    for process in processes:
        process.join()
    opening, most, speed = zip(*found)
    print(f"opened in {max(opening):.2f} s; {workers} processes gained {sum(most) / 1e9:.2f} GB together", end=", ")
    print(f"{sum(speed):.0f} pictures/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary folder is made")
    parser.add_argument("--many", type=int, default=0, metavar="PICTURES", help="measure one large store instead")
    parser.add_argument("--workers", type=int, default=4, help="processes that read the large store")
    options = parser.parse_args()
    if options.many:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            measure_many(Path(folder), options.many, options.workers, options.batches)
        return
    for name, *content in CASES:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            measure(Path(folder), name, tuple(content), options.batches)


if __name__ == "__main__":
    main()
